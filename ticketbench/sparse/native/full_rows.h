/* Four rows at a time of which all weights are live: what one reads all four do. Sums are in the same order as row by
 * row, and so are the results, to the last bit; where registers are few, rows are taken one by one. */
#ifndef FULL_ROWS_H
#define FULL_ROWS_H

#include "machine.h"

#ifdef LANES_AVX512
#define TOGETHER 4
#else
#define TOGETHER 0
#endif
#define FOUR 4

/* Whether four segments of rows, `step` apart, have the same columns, without a gap. */
INLINE int are_full(const Part *part, int64_t at, int64_t step) {
    int64_t count = part->row[at + 1] - part->row[at];
    if (count < FOUR) return 0;
    int32_t first = part->column[part->row[at]];
    for (int r = 0; r < FOUR; r++) {
        int64_t begin = part->row[at + r * step];
        if (part->row[at + r * step + 1] - begin != count || part->column[begin] != first) return 0;
        if (part->column[begin + count - 1] != first + count - 1) return 0;
    }
    return 1;
}

/* Where what a column reads begins. */
INLINE int64_t run_of(const int32_t *table, int64_t even, int32_t column) {
    return even ? table[0] + (int64_t)column * even : table[column];
}

/* Sums of four rows from those that are at `out`, or from a bias each and an addend; `apart` numbers from row to row. */
INLINE void gather_four(int width, const int32_t *column, const real *const *value, int64_t count,
                        const int32_t *table, int64_t even, const real *arena, const V *start, const real *addend,
                        int64_t apart, real *out, int64_t relu) {
    V sum[FOUR][FOUR];
    for (int r = 0; r < FOUR; r++)
        for (int k = 0; k < width; k++) {
            if (!start) sum[r][k] = v_load(out + r * apart + k * LANES);
            else sum[r][k] = addend ? v_add(start[r], v_load(addend + r * apart + k * LANES)) : start[r];
        }
    for (int64_t p = 0; p < count; p++) {
        const real *read = arena + run_of(table, even, column[p]);
        V numbers[FOUR];
        for (int k = 0; k < width; k++) numbers[k] = v_load(read + k * LANES);
        for (int r = 0; r < FOUR; r++) {
            V weight = v_all(value[r][p]);
            for (int k = 0; k < width; k++) sum[r][k] = v_fma(weight, numbers[k], sum[r][k]);
        }
    }
    for (int r = 0; r < FOUR; r++)
        for (int k = 0; k < width; k++)
            v_store(out + r * apart + k * LANES, relu ? v_relu(sum[r][k]) : sum[r][k]);
}

/* Their way back: gradients of the weights, and of what was read where somebody wants it. */
INLINE void back_four(int width, const int32_t *column, const real *const *value, real *const *gradient, int64_t count,
                      const int32_t *table, const int32_t *to, int64_t even, real *arena, const real *from,
                      int64_t apart) {
    V given[FOUR][FOUR];
    for (int r = 0; r < FOUR; r++)
        for (int k = 0; k < width; k++) given[r][k] = v_load(from + r * apart + k * LANES);
    for (int64_t p = 0; p < count; p += FOUR) {
        V sum[LANES];
        real found[LANES];
        for (int n = 0; n < FOUR; n++) {
            int64_t at = p + n < count ? p + n : p;
            const real *read = arena + run_of(table, even, column[at]);
            for (int r = 0; r < FOUR; r++) {
                V one = v_mul(given[r][0], v_load(read));
                for (int k = 1; k < width; k++) one = v_fma(given[r][k], v_load(read + k * LANES), one);
                sum[r * FOUR + n] = one;
            }
        }
        v_store(found, v_sums(sum));
        for (int r = 0; r < FOUR; r++)
            for (int n = 0; n < FOUR && p + n < count; n++) gradient[r][p + n] += found[r * FOUR + n];
    }
    for (int64_t p = 0; to && p < count; p++) {
        int64_t at = run_of(to, even, column[p]);
        if (at < 0) continue;
        real *out = arena + at;
        V sum[FOUR];
        for (int k = 0; k < width; k++) sum[k] = v_load(out + k * LANES);
        for (int r = 0; r < FOUR; r++) {
            V weight = v_all(value[r][p]);
            for (int k = 0; k < width; k++) sum[k] = v_fma(weight, given[r][k], sum[k]);
        }
        for (int k = 0; k < width; k++) v_store(out + k * LANES, sum[k]);
    }
}

#endif
