/* Convolutions of live weights, over lines of many numbers.
 *
 * Every weight reads runs of numbers at a constant distance from those that it writes. An instruction first writes down
 * where each live weight reads. Then it goes over the outputs in blocks of some vectors of a line, and for each of them
 * through the weights, a block of columns after the other, so that what is read stays in the nearest cache and the
 * outputs of a row in registers. The gradient of what was read is the same with the weights turned round, over the
 * gradients of the outputs in frames of zeros. Blocks of columns decide no result, to the last bit.
 *
 * words: 0 weight, 1 bias or -1, 2 rows, 3 table of what is read, 4 outputs (or their gradients), 5 channel stride,
 * 6 line stride, 7 lines, 8 numbers a line, 9 line stride of what is read, 10 room to write down, 11 whence the table
 * counts. Forward: 12 addend or -1, 13 and 14 its strides, 15 whether a ReLU follows. Back: 12 outputs of the ReLU or
 * -1, 13 and 14 their strides, 15 gradients of the addend or -1, 16 and 17 their strides, 18 whether there are others
 * already. Down: as forward, with 1 the first of the inputs, 2 how many there are, 4 their gradients, and 12 whether
 * there are others already. */
#ifndef CONVOLUTIONS_H
#define CONVOLUTIONS_H

#include "machine.h"

#if defined(LANES_AVX2)
#define WIDE 4 /* vectors of outputs that are in registers; it decides no result */
#else
#define WIDE 8
#endif
#define DEEP 8 /* vectors of gradients that are; it decides the order of sums */

/* A pointer of which the compiler knows nothing, so that it adds constants to it rather than to what it came from. */
#if defined(__GNUC__)
#define PLAINLY(pointer) __asm__("" : "+r"(pointer))
#else
#define PLAINLY(pointer) (void)(pointer)
#endif

/* Weights that are summed, row by row: where each reads, its value, and where the blocks of rows begin. */
typedef struct {
    const int32_t *from;
    const real *value;
    const int32_t *begin;
    int64_t blocks, rows;
} Sums;

/* Where sums begin: from a number a row, and from what is `at` a place of the outputs; where they go. */
typedef struct {
    const real *start, *addend;
    int64_t addend_channel, addend_line;
    real *out;
    int64_t channel, line, relu;
} Ends;

/* `width` vectors of all rows, a block of columns. */
INLINE void sum_block(int width, const Sums *s, int64_t block, const real *read, const real *addend, real *out,
                      const Ends *e) {
    int64_t first = !block, relu = e->relu && block == s->blocks - 1, stride = first ? e->addend_channel : e->channel;
    const int32_t *begin = s->begin + block;
    if (!first) addend = out;
    for (int64_t row = 0; row < s->rows; row++, out += e->channel, addend += stride, begin += s->blocks) {
        V sum[WIDE];
        if (!first && begin[0] == begin[1] && !relu) continue;
        if (first) {
            V start = e->start ? v_all(e->start[row]) : v_zero();
            for (int k = 0; k < width; k++) sum[k] = e->addend ? v_add(start, v_load(addend + k * LANES)) : start;
        } else {
            for (int k = 0; k < width; k++) sum[k] = v_load(addend + k * LANES);
        }
        for (int64_t p = begin[0]; p < begin[1]; p++) {
            V weight = v_all(s->value[p]);
            const real *at = read + s->from[p];
            PLAINLY(at);
            for (int k = 0; k < width; k++) sum[k] = v_fma(weight, v_load(at + k * LANES), sum[k]);
        }
        for (int k = 0; k < width; k++) v_store(out + k * LANES, relu ? v_relu(sum[k]) : sum[k]);
    }
}

/* All lines of all rows. */
static void sum_lines(const Sums *s, const real *read, int64_t read_line, const Ends *e, int64_t lines, int64_t length) {
    for (int64_t line = 0; line < lines; line++) {
        int64_t n = 0;
#define BLOCKS(width)                                                                                             \
    for (; n + width * LANES <= length; n += width * LANES)                                                       \
        for (int64_t block = 0; block < s->blocks; block++)                                                       \
            sum_block(width, s, block, read + line * read_line + n, e->addend + line * e->addend_line + n,        \
                      e->out + line * e->line + n, e);
#if WIDE == 8
        BLOCKS(8)
#endif
        BLOCKS(4) BLOCKS(2) BLOCKS(1)
#undef BLOCKS
    }
}

static void convolve(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Part *part = t->member->part + w[0];
    const int32_t *table = t->program->pool + w[3];
    const real *bias = w[1] < 0 ? 0 : t->member->value + t->member->part[w[1]].at;
    int32_t *from = (int32_t *)(t->arena + w[10]);
    for (int64_t p = 0; p < part->count; p++) from[p] = table[part->column[p]];
    Sums sums = {from, t->member->value + part->at, part->row, part->blocks, w[2]};
    Ends ends = {bias, w[12] < 0 ? 0 : t->arena + w[12], w[13], w[14], t->arena + w[4], w[5], w[6], w[15]};
    sum_lines(&sums, t->arena + w[11], w[9], &ends, w[7], w[8]);
}

static void convolve_down(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Part *part = t->member->part + w[0];
    const int32_t *table = t->program->pool + w[3], *down = part->down + w[1] * part->downs;
    const real *values = t->member->value + part->at;
    int32_t *from = (int32_t *)(t->arena + w[10]);
    real *value = t->arena + w[10] + (part->count / LANES + 1) * LANES;
    for (int64_t p = down[0]; p < down[w[2] * part->downs]; p++) {
        from[p] = table[part->turned[p]];
        value[p] = values[part->place[p]];
    }
    Sums sums = {from, value, down, part->downs, w[2]};
    Ends ends = {0, w[12] ? t->arena + w[4] : 0, w[5], w[6], t->arena + w[4], w[5], w[6], 0};
    sum_lines(&sums, t->arena + w[11], w[9], &ends, w[7], w[8]);
}

/* What `width` vectors of all rows' gradients leave at the weights and biases, sixteen weights at a time. With blocks
 * of columns `gradient` is in their order. */
INLINE void leave_block(int width, const int64_t *w, const Part *part, const int32_t *from, const real *read, real *given,
                        const real *gate, real *passed, real *gradient, real *bias) {
    V sum[LANES];
    int64_t at = 0;
    for (int64_t block = 0; block < part->blocks; block++)
        for (int64_t row = 0; row < w[2]; row++) {
            const int32_t *begin = part->row + row * part->blocks + block;
            real *mine = given + row * w[5];
            if (block && begin[0] == begin[1]) continue;
            V g[DEEP];
            for (int k = 0; k < width; k++) g[k] = v_load(mine + k * LANES);
            if (!block && w[12] >= 0)
                for (int k = 0; k < width; k++) {
                    g[k] = v_gate(g[k], v_load(gate + row * w[13] + k * LANES));
                    v_store(mine + k * LANES, g[k]);
                }
            if (!block && w[15] >= 0)
                for (int k = 0; k < width; k++) {
                    real *to = passed + row * w[16] + k * LANES;
                    v_store(to, w[18] ? v_add(v_load(to), g[k]) : g[k]);
                }
            if (!block && bias) {
                V all = g[0];
                for (int k = 1; k < width; k++) all = v_add(all, g[k]);
                bias[row] += v_sum(all);
            }
            for (int64_t p = begin[0]; p < begin[1]; p++, at++) {
                const real *x = read + from[p];
                PLAINLY(x);
                V one = v_mul(g[0], v_load(x));
                for (int k = 1; k < width; k++) one = v_fma(g[k], v_load(x + k * LANES), one);
                sum[at % LANES] = one;
                if (at % LANES == LANES - 1)
                    v_store(gradient + at + 1 - LANES, v_add(v_load(gradient + at + 1 - LANES), v_sums(sum)));
            }
        }
    int64_t left = at % LANES;
    for (int64_t n = left; n < LANES; n++) sum[n] = v_zero();
    if (left) v_store(gradient + at - left, v_add(v_load(gradient + at - left), v_sums(sum)));
}

/* Gradients of weights into the order of blocks of columns, or (without `in`) out of it. */
static void reorder(const Part *part, int64_t rows, real *ordered, real *gradient, int64_t in) {
    for (int64_t block = 0; block < part->blocks; block++)
        for (int64_t row = 0; row < rows; row++) {
            const int32_t *begin = part->row + row * part->blocks + block;
            for (int64_t p = begin[0]; p < begin[1]; p++, ordered++)
                if (in) *ordered = gradient[p];
                else gradient[p] = *ordered;
        }
}

static void convolve_back(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Part *part = t->member->part + w[0];
    const int32_t *table = t->program->pool + w[3];
    real *gradient = t->member->gradient + part->at, *ordered = gradient;
    real *bias = w[1] < 0 ? 0 : t->member->gradient + t->member->part[w[1]].at;
    int32_t *from = (int32_t *)(t->arena + w[10]);
    for (int64_t p = 0; p < part->count; p++) from[p] = table[part->column[p]];
    if (part->blocks > 1) {
        ordered = t->arena + w[10] + (part->count / LANES + 1) * LANES;
        reorder(part, w[2], ordered, gradient, 1);
    }
    for (int64_t line = 0; line < w[7]; line++) {
        const real *read = t->arena + w[11] + line * w[9];
        const real *gate = t->arena + (w[12] < 0 ? 0 : w[12]) + line * w[14];
        real *given = t->arena + w[4] + line * w[6], *passed = t->arena + (w[15] < 0 ? 0 : w[15]) + line * w[17];
        int64_t n = 0;
#define BLOCKS(width)                                                                                             \
    for (; n + width * LANES <= w[8]; n += width * LANES)                                                         \
        leave_block(width, w, part, from, read + n, given + n, gate + n, passed + n, ordered, bias);
        BLOCKS(8) BLOCKS(4) BLOCKS(2) BLOCKS(1)
#undef BLOCKS
    }
    if (part->blocks > 1) reorder(part, w[2], ordered, gradient, 0);
}

#endif
