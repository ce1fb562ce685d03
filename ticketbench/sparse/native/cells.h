/* What the gates of recurrent cells compute, forward and back. All work on whole buffers without frames, one number
 * after the other: a block of `n` numbers has all units of all examples of a tile. Sums are replaced by the gates that
 * they become, which the way back reads. An address of -1: there is none; what is missing of the step before is zero. */
#ifndef CELLS_H
#define CELLS_H

#include "machine.h"

#define NUMBERS(numbers)                                                                                           \
    const int64_t *w = do_->word, count = numbers;                                                                \
    real *arena = t->arena;                                                                                       \
    for (int64_t n = 0; n < count; n += LANES)

INLINE V one_less(V a) { return v_sub(v_all(1), a); }
INLINE V through_sigmoid(V gradient, V s) { return v_mul(gradient, v_mul(s, one_less(s))); }
INLINE V through_tanh(V gradient, V s) { return v_mul(gradient, v_fma(v_sub(v_zero(), s), s, v_all(1))); }
INLINE V past(const real *arena, int64_t at, int64_t n) { return at < 0 ? v_zero() : v_load(arena + at + n); }
/* A gradient: nobody wants it, it is added to what is there, or it is the first. */
INLINE void leave(real *arena, int64_t at, int64_t adds, int64_t n, V gradient) {
    if (at < 0) return;
    v_store(arena + at + n, adds ? v_add(v_load(arena + at + n), gradient) : gradient);
}

/* h = tanh(a). words: 0 h, 1 a, 2 numbers */
static void squash(const Instruction *do_, Tile *t) {
    NUMBERS(w[2]) v_store(arena + w[0] + n, v_tanh(v_load(arena + w[1] + n)));
}

/* words: 0 h, 1 its gradient, 2 numbers, 3 that of a, 4 whether it is added to */
static void squash_back(const Instruction *do_, Tile *t) {
    NUMBERS(w[2]) leave(arena, w[3], w[4], n, through_tanh(v_load(arena + w[1] + n), v_load(arena + w[0] + n)));
}

/* r, z = σ(a) and m = tanh(a + r q) in place of three blocks of sums; h' = m + z (h - m).
 * words: 0 sums, 1 q or -1, 2 h or -1, 3 h', 4 numbers of a block */
static void gated(const Instruction *do_, Tile *t) {
    NUMBERS(w[4]) {
        real *reset_at = arena + w[0] + n, *update_at = reset_at + count, *candidate_at = update_at + count;
        V reset = v_sigmoid(v_load(reset_at)), update = v_sigmoid(v_load(update_at));
        V candidate = v_tanh(v_fma(reset, past(arena, w[1], n), v_load(candidate_at)));
        v_store(reset_at, reset);
        v_store(update_at, update);
        v_store(candidate_at, candidate);
        v_store(arena + w[3] + n, v_fma(update, v_sub(past(arena, w[2], n), candidate), candidate));
    }
}

/* With g = ∂h': ∂z = g (h - m) z (1 - z), ∂m = g (1 - z) (1 - m²), ∂q = ∂m r, ∂r = ∂m q r (1 - r), ∂h = g z.
 * words: as above, 5 ∂h', 6 gradients of the sums or -1, 7 of q or -1, 8 of h or -1, 9 whether it is added to */
static void gated_back(const Instruction *do_, Tile *t) {
    NUMBERS(w[4]) {
        const real *gates = arena + w[0] + n;
        V reset = v_load(gates), update = v_load(gates + count), candidate = v_load(gates + 2 * count);
        V given = v_load(arena + w[5] + n);
        V to_update = v_mul(given, v_sub(past(arena, w[2], n), candidate));
        V to_candidate = through_tanh(v_mul(given, one_less(update)), candidate);
        leave(arena, w[6], 0, n, through_sigmoid(v_mul(to_candidate, past(arena, w[1], n)), reset));
        leave(arena, w[6], 0, n + count, through_sigmoid(to_update, update));
        leave(arena, w[6], 0, n + 2 * count, to_candidate);
        leave(arena, w[7], 0, n, v_mul(to_candidate, reset));
        leave(arena, w[8], w[9], n, v_mul(given, update));
    }
}

/* i, f = σ(a) and g = tanh(a) in place of three blocks of sums; c' = f c + i g.
 * words: 0 sums, 1 c or -1, 2 c', 3 numbers of a block */
static void remember(const Instruction *do_, Tile *t) {
    NUMBERS(w[3]) {
        real *enter_at = arena + w[0] + n, *forget_at = enter_at + count, *candidate_at = forget_at + count;
        V enter = v_sigmoid(v_load(enter_at)), forget = v_sigmoid(v_load(forget_at));
        V candidate = v_tanh(v_load(candidate_at));
        v_store(enter_at, enter);
        v_store(forget_at, forget);
        v_store(candidate_at, candidate);
        v_store(arena + w[2] + n, v_fma(forget, past(arena, w[1], n), v_mul(enter, candidate)));
    }
}

/* With d = ∂c': ∂i = d g i (1 - i), ∂f = d c f (1 - f), ∂g = d i (1 - g²), ∂c = d f.
 * words: as above, 4 ∂c', 5 gradients of the sums or -1, 6 of c or -1, 7 whether it is added to */
static void remember_back(const Instruction *do_, Tile *t) {
    NUMBERS(w[3]) {
        const real *gates = arena + w[0] + n;
        V enter = v_load(gates), forget = v_load(gates + count), candidate = v_load(gates + 2 * count);
        V given = v_load(arena + w[4] + n);
        leave(arena, w[5], 0, n, through_sigmoid(v_mul(given, candidate), enter));
        leave(arena, w[5], 0, n + count, through_sigmoid(v_mul(given, past(arena, w[1], n)), forget));
        leave(arena, w[5], 0, n + 2 * count, through_tanh(v_mul(given, enter), candidate));
        leave(arena, w[6], w[7], n, v_mul(given, forget));
    }
}

/* o = σ(a) in place of a block of sums; h = o tanh(c). words: 0 sums, 1 c, 2 h, 3 numbers */
static void reveal(const Instruction *do_, Tile *t) {
    NUMBERS(w[3]) {
        V open = v_sigmoid(v_load(arena + w[0] + n));
        v_store(arena + w[0] + n, open);
        v_store(arena + w[2] + n, v_mul(open, v_tanh(v_load(arena + w[1] + n))));
    }
}

/* ∂o = ∂h tanh(c) o (1 - o), ∂c = ∂h o (1 - tanh² c).
 * words: as above, 4 ∂h, 5 gradient of the sums or -1, 6 of c or -1, 7 whether it is added to */
static void reveal_back(const Instruction *do_, Tile *t) {
    NUMBERS(w[3]) {
        V open = v_load(arena + w[0] + n), shown = v_tanh(v_load(arena + w[1] + n));
        V given = v_load(arena + w[4] + n);
        leave(arena, w[5], 0, n, through_sigmoid(v_mul(given, shown), open));
        leave(arena, w[6], w[7], n, through_tanh(v_mul(given, open), shown));
    }
}

/* Rows of a table outside, which 64-bit numbers choose. words: 0 stream of the numbers, 1 stream of the table, of the
 * machine's own precision, 2 where to, 3 channels, 4 channel stride, 5 place of the number in its row, 6 rows */
static void look_up(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Stream *words = t->stream + w[0], *table = t->stream + w[1];
    for (int64_t group = 0; group < t->program->tile; group += LANES) {
        const real *row[LANES];
        real *to = t->arena + w[2] + group;
        for (int64_t q = 0; q < LANES; q++) {
            row[q] = 0;
            if (group + q >= t->examples) continue;
            int64_t example = row_of(words, t->start + group + q);
            int64_t word = ((const int64_t *)words->at)[example * words->stride + w[5]];
            if (word >= 0 && word < w[6]) row[q] = (const real *)table->at + word * table->stride;
            else t->loss += NAN; /* there is no such row */
        }
        int64_t channel = 0;
        for (; channel + LANES <= w[3]; channel += LANES) {
            real rows[LANES * LANES];
            for (int64_t q = 0; q < LANES; q++) {
                if (row[q]) memcpy(rows + q * LANES, row[q] + channel, LANES * sizeof(real));
                else memset(rows + q * LANES, 0, LANES * sizeof(real));
            }
            v_turn(rows, to + channel * w[4], w[4]);
        }
        for (; channel < w[3]; channel++)
            for (int64_t q = 0; q < LANES; q++) to[channel * w[4] + q] = row[q] ? row[q][channel] : 0;
    }
}

#endif
