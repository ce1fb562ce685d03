/* Max pooling of 2×2 windows. words: 0 where to, 1 from, 2 channels, 3 lines and 4 positions of what is pooled to,
 * 5 channel stride and 6 line stride of it, 7 and 8 of what is read, 9 gradient of what is pooled to, 10 of what is
 * read (on the way back), 11 and 12, 13 and 14 their strides, 15 whether the last adds to
 * what is there. */
#ifndef POOLS_H
#define POOLS_H

#include "machine.h"

#define WINDOWS(...)                                                                                             \
    const int64_t *w = do_->word;                                                                                 \
    int64_t tile = t->program->tile;                                                                              \
    for (int64_t channel = 0; channel < w[2]; channel++)                                                          \
        for (int64_t line = 0; line < w[3]; line++)                                                               \
            for (int64_t place = 0; place < w[4]; place++)                                                        \
                for (int64_t n = 0; n < tile; n += LANES) {                                                       \
                    int64_t to = channel * w[5] + line * w[6] + place * tile + n;                                 \
                    int64_t from = channel * w[7] + 2 * line * w[8] + 2 * place * tile + n;                       \
                    __VA_ARGS__;                                                                                       \
                }

/* The largest of four. */
static void pool(const Instruction *do_, Tile *t) {
    WINDOWS({
        const real *read = t->arena + w[1] + from;
        V upper = v_max(v_load(read + tile), v_load(read));
        V lower = v_max(v_load(read + w[8] + tile), v_load(read + w[8]));
        v_store(t->arena + w[0] + to, v_max(lower, upper));
    })
}

/* Of equal values the first in reading order gets the gradient. Windows do not overlap. */
static void pool_back(const Instruction *do_, Tile *t) {
    WINDOWS({
        const real *read = t->arena + w[1] + from;
        real *out = t->arena + w[10] + channel * w[13] + 2 * line * w[14] + 2 * place * tile + n;
        int64_t place_of[4] = {0, tile, w[8], w[8] + tile};
        int64_t place_to[4] = {0, tile, w[14], w[14] + tile};
        V most = v_load(t->arena + w[0] + to);
        V left = v_load(t->arena + w[9] + channel * w[11] + line * w[12] + place * tile + n);
        for (int k = 0; k < 4; k++) {
            V mine = v_pick(v_load(read + place_of[k]), most, left, v_zero());
            v_store(out + place_to[k], w[15] ? v_add(v_load(out + place_to[k]), mine) : mine);
            left = v_sub(left, mine);
        }
    })
}

#endif
