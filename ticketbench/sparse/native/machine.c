/* Runs tapes: forward passes, and training steps of one network after the other. Compiled once for each way to
 * compute lanes, under a name of its own. */
#include "convolutions.h"
#include "edges.h"
#include "cells.h"
#include "plain.h"
#include "pools.h"
#include "products.h"
#include "updates.h"

#define JOIN(a, b) a##b
#define NAMED(a, b) JOIN(a, b)

typedef void (*Operation)(const Instruction *, Tile *);

static const Operation OPERATIONS[] = {
    product, product_back, load, store, cross_entropy, copy, add, relu, gate, frame, zero, pool, pool_back,
    squash, squash_back, gated, gated_back, remember, remember_back, reveal, reveal_back, look_up,
    convolve, convolve_back, convolve_down,
};

static void run_tiles(const Program *program, const Member *member, const Stream *stream, int64_t batch, real *arena,
                      double *loss) {
    Tile t = {program, member, stream, arena, 0, 0, batch, 0};
    for (t.start = 0; t.start < batch; t.start += program->tile) {
        t.examples = batch - t.start < program->tile ? batch - t.start : program->tile;
        for (int64_t n = 0; n < program->count; n++) {
            const Instruction *now = program->instruction + n;
            OPERATIONS[now->what](now, &t);
        }
    }
    *loss = t.loss;
}

/* One pass over a batch: what its instructions store, and their loss; gradients are added to those of the member. */
void NAMED(run_, NAME)(const Program *program, const Member *member, const Stream *stream, int64_t batch, real *arena,
                       double *loss) {
    run_tiles(program, member, stream, batch, arena, loss);
}

/* So many steps. `index` has a row of examples a step for the streams that are marked by it, `rates` a rate a step;
 * the optimizer has made `age` updates before. Each step's loss is added to `total`, in single precision as sums of
 * losses are everywhere. */
void NAMED(train_, NAME)(const Program *program, const Member *member, const Stream *streams, int64_t count,
                         int64_t batch, real *arena, const Rule *rule, int64_t steps, const int64_t *index,
                         int64_t stride, const double *rates, int64_t age, float *total) {
    Stream stream[64];
    for (int64_t step = 0; step < steps; step++) {
        for (int64_t n = 0; n < count; n++) {
            stream[n] = streams[n];
            if (streams[n].index) stream[n].index = index + step * stride;
        }
        double loss = 0;
        memset(member->gradient, 0, (size_t)member->size * sizeof(real));
        run_tiles(program, member, stream, batch, arena, &loss);
        *total += (float)loss;
        update(rule, member, rates[step], age + step + 1);
    }
}

/* Masked gradients that are there already: clipped and used. */
void NAMED(update_, NAME)(const Member *member, const Rule *rule, double rate, int64_t age) {
    update(rule, member, rate, age);
}

/* For tests: the functions of lanes.h on arrays of sixteen. */
void NAMED(lanes_, NAME)(int64_t what, const real *in, real *out) {
    V a = v_load(in);
    if (what == 0) v_store(out, v_exp(a));
    else if (what == 1) v_store(out, v_tanh(a));
    else if (what == 2) v_store(out, v_sigmoid(a));
    else if (what == 3) v_store(out, v_all(v_sum(a)));
    else {
        V rows[LANES];
        for (int n = 0; n < LANES; n++) rows[n] = v_load(in + n * LANES);
        v_store(out, v_sums(rows));
    }
}

/* Whether the structures are what Python thinks they are. */
int64_t NAMED(sizes_, NAME)(void) {
    return (int64_t)(sizeof(Instruction) + 1000 * sizeof(Part) + 1000000 * sizeof(Member) +
                     1000000000 * sizeof(Stream) + 1000000000000 * (sizeof(Program) + sizeof(Rule)));
}
