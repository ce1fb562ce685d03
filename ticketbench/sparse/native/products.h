/* Products of live weights with vectors, of the layers that are linear.
 *
 * A vector has a channel after the other, and in each the examples of a tile. A table gives for every column of a weight
 * where what it reads begins; where columns are at a distance that is the same for all, its first entry is enough.
 *
 * words: 0 weight, 1 bias or -1, 2 first row, 3 last row + 1, 4 table of what is read, 5 outputs, 6 channel stride,
 * 7 examples of a tile, 8 addend (of the outputs' strides) or -1, 9 whether a ReLU follows, 10 on the way back: table of
 * gradients of what is read (-1 for those that nobody wants), or -1; 11 distance from column to column, or 0.
 */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include "full_rows.h"
#include "machine.h"

#define BLOCK 8

/* `width` vectors of a row's outputs; width is a constant wherever this is compiled. */
INLINE void gather_row(int width, const int32_t *column, const real *value, int64_t count, const int32_t *table,
                       int64_t even, const real *arena, int64_t shift, V start, const real *addend, real *out, int64_t relu) {
    V sum[BLOCK];
    for (int k = 0; k < width; k++) sum[k] = addend ? v_add(start, v_load(addend + k * LANES)) : start;
    for (int64_t p = 0; p < count; p++) {
        V weight = v_all(value[p]);
        const real *read = arena + run_of(table, even, column[p]) + shift;
        for (int k = 0; k < width; k++) sum[k] = v_fma(weight, v_load(read + k * LANES), sum[k]);
    }
    for (int k = 0; k < width; k++) v_store(out + k * LANES, relu ? v_relu(sum[k]) : sum[k]);
}

/* Rows of one line, a block of columns after the other: what a block reads stays near. The order of sums is that of
 * whole rows, and so are the results, to the last bit. */
INLINE void product_blocks(int width, const int64_t *w, const Part *part, const real *values, const real *bias,
                           const int32_t *table, int64_t even, real *arena) {
    for (int64_t block = 0; block < part->blocks; block++)
        for (int64_t row = w[2]; row < w[3]; row++) {
            int64_t at = row * part->blocks + block, begin = part->row[at], count = part->row[at + 1] - begin;
            int64_t relu = w[9] && block == part->blocks - 1;
            if (!count && block && !relu) continue;
            real *out = arena + w[5] + (row - w[2]) * w[6];
            if (TOGETHER && row + FOUR <= w[3] && are_full(part, at, part->blocks)) {
                const real *value[FOUR];
                V starts[FOUR];
                for (int r = 0; r < FOUR; r++) {
                    value[r] = values + part->row[at + r * part->blocks];
                    starts[r] = bias ? v_all(bias[row + r]) : v_zero();
                }
                gather_four(width, part->column + begin, value, count, table, even, arena, block ? 0 : starts,
                            w[8] < 0 ? 0 : arena + w[8] + (row - w[2]) * w[6], w[6], out, relu);
                row += FOUR - 1;
                continue;
            }
            const real *so_far = block ? out : w[8] < 0 ? 0 : arena + w[8] + (row - w[2]) * w[6];
            V start = bias && !block ? v_all(bias[row]) : v_zero();
            if (block) {
                V sum[BLOCK];
                for (int k = 0; k < width; k++) sum[k] = v_load(out + k * LANES);
                for (int64_t p = begin; p < begin + count; p++) {
                    V weight = v_all(values[p]);
                    const real *read = arena + run_of(table, even, part->column[p]);
                    for (int k = 0; k < width; k++) sum[k] = v_fma(weight, v_load(read + k * LANES), sum[k]);
                }
                for (int k = 0; k < width; k++) v_store(out + k * LANES, relu ? v_relu(sum[k]) : sum[k]);
            } else {
                gather_row(width, part->column + begin, values + begin, count, table, even, arena, 0, start, so_far, out, relu);
            }
        }
}

/* Tiles of other sizes, as tests have them: a few vectors of a row after the other. */
static void product_wide(const int64_t *w, const Part *part, const real *values, const real *bias,
                         const int32_t *table, real *arena) {
    for (int64_t row = w[2]; row < w[3]; row++) {
        int64_t begin = part->row[row * part->blocks], count = part->row[(row + 1) * part->blocks] - begin;
        V start = bias ? v_all(bias[row]) : v_zero();
        for (int64_t n = 0; n < w[7]; n += LANES) {
            int64_t to = (row - w[2]) * w[6] + n;
            const real *addend = w[8] < 0 ? 0 : arena + w[8] + to;
            gather_row(1, part->column + begin, values + begin, count, table, 0, arena, n, start, addend,
                       arena + w[5] + to, w[9]);
        }
    }
}

static void product(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Part *part = t->member->part + w[0];
    const real *values = t->member->value + part->at;
    const real *bias = w[1] < 0 ? 0 : t->member->value + t->member->part[w[1]].at;
    const int32_t *table = t->program->pool + w[4];
#define BLOCKS(width)                                                                                             \
    if (w[11]) product_blocks(width, w, part, values, bias, table, w[11], t->arena);                              \
    else product_blocks(width, w, part, values, bias, table, 0, t->arena)
    if (w[7] == LANES) { BLOCKS(1); }
    else if (w[7] == 2 * LANES) { BLOCKS(2); }
    else if (w[7] == 4 * LANES) { BLOCKS(4); }
    else product_wide(w, part, values, bias, table, t->arena);
#undef BLOCKS
}

/* The gradient of a row of outputs has `width` vectors, which stay in registers. */
INLINE void back_short(int width, const int32_t *column, const real *value, real *gradient, int64_t count,
                       const int32_t *table, const int32_t *to, int64_t even, real *arena, const real *from) {
    V given[4];
    for (int k = 0; k < width; k++) given[k] = v_load(from + k * LANES);
    for (int64_t p = 0; p < count; p += LANES) {
        V sum[LANES];
        int64_t some = count - p < LANES ? count - p : LANES;
        if (some == LANES) {
            for (int n = 0; n < LANES; n++) {
                const real *read = arena + run_of(table, even, column[p + n]);
                sum[n] = v_mul(given[0], v_load(read));
                for (int k = 1; k < width; k++) sum[n] = v_fma(given[k], v_load(read + k * LANES), sum[n]);
            }
            v_store(gradient + p, v_add(v_load(gradient + p), v_sums(sum)));
        } else {
            for (int64_t n = 0; n < some; n++) {
                const real *read = arena + run_of(table, even, column[p + n]);
                V one = v_mul(given[0], v_load(read));
                for (int k = 1; k < width; k++) one = v_fma(given[k], v_load(read + k * LANES), one);
                gradient[p + n] += v_sum(one);
            }
        }
    }
    if (!to) return;
    for (int64_t p = 0; p < count; p++) {
        int64_t at = run_of(to, even, column[p]);
        if (at < 0) continue;
        V weight = v_all(value[p]);
        real *out = arena + at;
        for (int k = 0; k < width; k++) v_store(out + k * LANES, v_fma(weight, given[k], v_load(out + k * LANES)));
    }
}

/* The same for tiles of other sizes. */
static void back_wide(int64_t length, const int32_t *column, const real *value, real *gradient, int64_t count,
                      const int32_t *table, const int32_t *to, real *arena, const real *from) {
    for (int64_t p = 0; p < count; p++) {
        V sum = v_zero(), weight = v_all(value[p]);
        const real *read = arena + table[column[p]];
        int64_t at = to ? to[column[p]] : -1;
        for (int64_t n = 0; n < length; n += LANES) sum = v_fma(v_load(from + n), v_load(read + n), sum);
        gradient[p] += v_sum(sum);
        for (int64_t n = 0; at >= 0 && n < length; n += LANES)
            v_store(arena + at + n, v_fma(weight, v_load(from + n), v_load(arena + at + n)));
    }
}

/* Gradients of the live weights, of the bias, and of what was read. */
static void product_back(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Part *part = t->member->part + w[0];
    const real *values = t->member->value + part->at;
    real *gradients = t->member->gradient + part->at;
    real *bias = w[1] < 0 ? 0 : t->member->gradient + t->member->part[w[1]].at;
    const int32_t *table = t->program->pool + w[4], *to = w[10] < 0 ? 0 : t->program->pool + w[10];
    int narrow = w[7] == LANES || w[7] == 2 * LANES || w[7] == 4 * LANES;
    int64_t passes = narrow ? part->blocks : 1, each = part->blocks / passes;
    for (int64_t row = w[2]; bias && row < w[3]; row++) {
        const real *from = t->arena + w[5] + (row - w[2]) * w[6];
        V sum = v_zero();
        for (int64_t n = 0; n < w[7]; n += LANES) sum = v_add(sum, v_load(from + n));
        bias[row] += v_sum(sum);
    }
    for (int64_t pass = 0; pass < passes; pass++)
        for (int64_t row = w[2]; row < w[3]; row++) {
            const real *from = t->arena + w[5] + (row - w[2]) * w[6];
            int64_t segment = row * part->blocks + pass, begin = part->row[segment];
            const int32_t *column = part->column + begin;
            const real *value = values + begin;
            real *gradient = gradients + begin;
            int64_t count = part->row[segment + each] - begin;
            if (!count) continue;
            /* not where a vector may be read twice: what comes back to it would be added in another order */
            if (TOGETHER && (!to || w[11]) && w[7] == FOUR * LANES && row + FOUR <= w[3] &&
                are_full(part, segment, part->blocks)) {
                const real *four[FOUR];
                real *to_four[FOUR];
                for (int r = 0; r < FOUR; r++) {
                    int64_t each_begin = part->row[segment + r * part->blocks];
                    four[r] = values + each_begin;
                    to_four[r] = gradients + each_begin;
                }
                if (w[11]) back_four(FOUR, column, four, to_four, count, table, to, w[11], t->arena, from, w[6]);
                else back_four(FOUR, column, four, to_four, count, table, to, 0, t->arena, from, w[6]);
                row += FOUR - 1;
                continue;
            }
#define BACK(width)                                                                                               \
    if (w[11]) back_short(width, column, value, gradient, count, table, to, w[11], t->arena, from);               \
    else back_short(width, column, value, gradient, count, table, to, 0, t->arena, from)
            if (w[7] == LANES) { BACK(1); }
            else if (w[7] == 2 * LANES) { BACK(2); }
            else if (w[7] == 4 * LANES) { BACK(4); }
            else back_wide(w[7], column, value, gradient, count, table, to, t->arena, from);
#undef BACK
        }
}

#endif
