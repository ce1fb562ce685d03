/* Operations on activations alone. words: 0 where to, 1 from, 2 channels, 3 lines, 4 numbers a line, 5 channel stride
 * and 6 line stride of the first, 7 and 8 of the second. */
#ifndef PLAIN_H
#define PLAIN_H

#include "machine.h"

#define EVERY(...)                                                                                               \
    const int64_t *w = do_->word;                                                                                 \
    for (int64_t channel = 0; channel < w[2]; channel++)                                                          \
        for (int64_t line = 0; line < w[3]; line++) {                                                             \
            real *to = t->arena + w[0] + channel * w[5] + line * w[6];                                            \
            const real *from = t->arena + w[1] + channel * w[7] + line * w[8];                                    \
            for (int64_t n = 0; n < w[4]; n += LANES) { __VA_ARGS__; }                                                   \
        }

/* to = from */
static void copy(const Instruction *do_, Tile *t) { EVERY(v_store(to + n, v_load(from + n))) }

/* to += from */
static void add(const Instruction *do_, Tile *t) { EVERY(v_store(to + n, v_add(v_load(to + n), v_load(from + n)))) }

/* to = max(0, from) */
static void relu(const Instruction *do_, Tile *t) { EVERY(v_store(to + n, v_relu(v_load(from + n)))) }

/* to = 0 where from, which a ReLU gave, is 0 */
static void gate(const Instruction *do_, Tile *t) { EVERY(v_store(to + n, v_gate(v_load(to + n), v_load(from + n)))) }

/* The zeros around the lines of a channel. words: 0 where the channels begin, 1 channels, 2 channel stride, 3 line
 * stride, 4 lines above and below, 5 lines between, 6 numbers before and behind a line's own, 7 its own */
static void frame(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    for (int64_t channel = 0; channel < w[1]; channel++) {
        real *at = t->arena + w[0] + channel * w[2], *below = at + (w[4] + w[5]) * w[3];
        for (int64_t n = 0; n < w[4] * w[3]; n += LANES) {
            v_store(at + n, v_zero());
            v_store(below + n, v_zero());
        }
        for (int64_t line = w[4]; line < w[4] + w[5]; line++)
            for (int64_t n = 0; n < w[6]; n += LANES) {
                v_store(at + line * w[3] + n, v_zero());
                v_store(at + line * w[3] + w[6] + w[7] + n, v_zero());
            }
    }
}

/* words: 0 where, 1 how many */
static void zero(const Instruction *do_, Tile *t) {
    memset(t->arena + do_->word[0], 0, (size_t)do_->word[1] * sizeof(real));
}

#endif
