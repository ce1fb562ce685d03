/* What comes in and what goes out: batches, targets, losses, outputs. */
#ifndef EDGES_H
#define EDGES_H

#include "machine.h"

INLINE int64_t row_of(const Stream *s, int64_t example) { return s->index ? s->index[example] : example; }

/* Numbers of a stream into the arena, example by example, with zeros where the tile has none.
 * words: 0 stream, 1 where to, 2 channels, 3 lines, 4 positions, 5 channel stride, 6 line stride, 7 what the stream
 * has: 0 single precision, 1 the machine's own; 8 list of the channels that somebody reads, or -1; 9 its length;
 * 10 positions of a line in the stream, or 0 if it has no others; 11 the first of them. Without a stream: zeros. */
static void load(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Stream *s = t->stream + w[0];
    int64_t tile = t->program->tile, channels = w[8] < 0 ? w[2] : w[9];
    int64_t length = w[10] ? w[10] : w[4], size = w[3] * length;
    const int32_t *list = w[8] < 0 ? 0 : t->program->pool + w[8];
    for (int64_t group = 0; group < tile; group += LANES) {
        int64_t k = 0;
        if (s->at && size == 1 && !list && sizeof(real) == sizeof(float))
            for (; k + LANES <= channels; k += LANES) { /* sixteen numbers of sixteen examples, turned round */
                real rows[LANES * LANES];
                for (int64_t q = 0; q < LANES; q++) {
                    int64_t example = group + q;
                    if (example >= t->examples) memset(rows + q * LANES, 0, LANES * sizeof(real));
                    else memcpy(rows + q * LANES, (const real *)s->at + row_of(s, t->start + example) * s->stride + k,
                                LANES * sizeof(real));
                }
                v_turn(rows, t->arena + w[1] + k * w[5] + group, w[5]);
            }
        for (; k < channels; k++) { /* sixteen examples at a time, so that stores fill their lines */
            int64_t channel = list ? list[k] : k;
            for (int64_t line = 0; line < w[3]; line++)
                for (int64_t place = 0; place < w[4]; place++) {
                    real *to = t->arena + w[1] + channel * w[5] + line * w[6] + place * tile + group;
                    int64_t at = channel * size + line * length + w[11] + place;
                    for (int64_t q = 0; q < LANES; q++) {
                        int64_t example = group + q;
                        if (example >= t->examples || !s->at) { to[q] = 0; continue; }
                        int64_t number = row_of(s, t->start + example) * s->stride + at;
                        to[q] = w[7] ? ((const real *)s->at)[number] : (real)((const float *)s->at)[number];
                    }
                }
        }
    }
}

/* The reverse: words as above. */
static void store(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Stream *s = t->stream + w[0];
    int64_t tile = t->program->tile, length = w[10] ? w[10] : w[4], size = w[3] * length;
    if (!s->at) return;
    for (int64_t example = 0; example < t->examples; example++) {
        int64_t row = row_of(s, t->start + example) * s->stride;
        for (int64_t channel = 0; channel < w[2]; channel++)
            for (int64_t line = 0; line < w[3]; line++)
                for (int64_t place = 0; place < w[4]; place++) {
                    real x = t->arena[w[1] + channel * w[5] + line * w[6] + place * tile + example];
                    int64_t number = row + channel * size + line * length + w[11] + place;
                    if (w[7]) ((real *)s->at)[number] = x;
                    else ((float *)s->at)[number] = (float)x;
                }
    }
}

/* The cross entropy of scores over channels at every position, times a share of each, and its gradient over them.
 * words: 0 scores, 1 gradient or -1, 2 channels, 3 lines, 4 positions, 5 channel stride, 6 line stride, 7 stream of
 * targets (64-bit, a row an example), 8 stream of shares (single precision) or -1: the mean; 9 factor (a double's
 * bits); 10 channel stride and 11 line stride of the gradient; 12 positions of a line of targets; 13 the first one */
static void cross_entropy(const Instruction *do_, Tile *t) {
    const int64_t *w = do_->word;
    const Stream *targets = t->stream + w[7], *shares = w[8] < 0 ? 0 : t->stream + w[8];
    int64_t tile = t->program->tile, positions = w[3] * w[12];
    double factor, mean;
    memcpy(&factor, &w[9], sizeof factor);
    mean = factor / ((double)t->batch * (double)positions);
    for (int64_t line = 0; line < w[3]; line++)
        for (int64_t place = 0; place < w[4]; place++)
            for (int64_t group = 0; group < tile; group += LANES) {
                if (group >= t->examples && w[1] < 0) continue;
                const real *score = t->arena + w[0] + line * w[6] + place * tile + group;
                real *out = w[1] < 0 ? 0 : t->arena + w[1] + line * w[11] + place * tile + group;
                V most = v_load(score), sum = v_zero();
                for (int64_t c = 1; c < w[2]; c++) most = v_max(most, v_load(score + c * w[5]));
                for (int64_t c = 0; c < w[2]; c++) {
                    V e = v_exp(v_sub(v_load(score + c * w[5]), most));
                    sum = v_add(sum, e);
                    if (out) v_store(out + c * w[10], e);
                }
                real largest[LANES], total[LANES], share[LANES] = {0};
                v_store(largest, most);
                v_store(total, sum);
                for (int64_t q = 0; q < LANES && group + q < t->examples; q++) {
                    int64_t example = t->start + group + q, place_of = line * w[12] + w[13] + place;
                    int64_t target = ((const int64_t *)targets->at)[row_of(targets, example) * targets->stride + place_of];
                    double weight = mean;
                    if (shares) {
                        const float *given = (const float *)shares->at;
                        weight = factor * (double)given[row_of(shares, example) * shares->stride + place_of];
                    }
                    if (target < 0 || target >= w[2]) { /* there is no such class */
                        t->loss += NAN;
                        continue;
                    }
                    share[q] = (real)weight;
                    t->loss += weight * (log((double)total[q]) - (double)(score[target * w[5] + q] - largest[q]));
                }
                if (!out) continue;
                V each = v_div(v_load(share), sum);
                for (int64_t c = 0; c < w[2]; c++) v_store(out + c * w[10], v_mul(v_load(out + c * w[10]), each));
                for (int64_t q = 0; q < LANES && group + q < t->examples; q++) {
                    int64_t example = t->start + group + q, place_of = line * w[12] + w[13] + place;
                    int64_t target = ((const int64_t *)targets->at)[row_of(targets, example) * targets->stride + place_of];
                    if (target >= 0 && target < w[2]) out[target * w[10] + q] -= share[q];
                }
            }
}

#endif
