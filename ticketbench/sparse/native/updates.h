/* Optimizers on live weights, as torch's fused ones compute them. */
#ifndef UPDATES_H
#define UPDATES_H

#include "machine.h"

/* x to a whole power, by products alone: the same everywhere, as pow need not be. */
static double power(double x, int64_t n) {
    double result = 1;
    for (; n; n >>= 1, x *= x)
        if (n & 1) result *= x;
    return result;
}

/* Scale all gradients to a norm of at most `limit`. */
static void clip(const Member *m, double limit) {
    double square = 0;
    for (int64_t p = 0; p < m->parts; p++) {
        const Part *part = m->part + p;
        if (part->factor < 0) continue;
        for (int64_t n = 0; n < part->count; n++) {
            double g = m->gradient[part->at + n];
            square += g * g;
        }
    }
    real factor = (real)(limit / (sqrt(square) + 1e-6));
    if (!(factor < 1)) return;
    for (int64_t n = 0; n < m->size; n++) m->gradient[n] *= factor;
}

static void update(const Rule *rule, const Member *m, double rate, int64_t age) {
    if (rule->clip > 0) clip(m, rule->clip);
    double first = 1 - power(rule->first_keep, age), second = sqrt(1 - power(rule->second_keep, age));
    for (int64_t p = 0; p < m->parts; p++) {
        const Part *part = m->part + p;
        if (part->factor < 0) continue;
        double own = rate * part->factor, decay = part->decays ? rule->decay : 0;
        V shrink = v_all((real)(1 - own * decay)), decays = v_all((real)decay);
        V keep = v_all((real)rule->first_keep), enter = v_all((real)(1 - rule->first_keep));
        V keep_square = v_all((real)rule->second_keep), enter_square = v_all((real)(1 - rule->second_keep));
        V step = v_all((real)(own / first)), root = v_all((real)second), epsilon = v_all((real)rule->epsilon);
        V down = v_all((real)-own);
        for (int64_t n = 0; n < part->count; n += LANES) { /* what is behind the last weight stays zero */
            int64_t at = part->at + n;
            V w = v_load(m->value + at), g = v_load(m->gradient + at);
            if (decay != 0 && rule->decoupled) w = v_mul(w, shrink);
            if (decay != 0 && !rule->decoupled) g = v_fma(decays, w, g);
            if (rule->adam) {
                V one = v_fma(keep, v_load(m->first + at), v_mul(enter, g));
                V two = v_fma(keep_square, v_load(m->second + at), v_mul(enter_square, v_mul(g, g)));
                v_store(m->first + at, one);
                v_store(m->second + at, two);
                V scale = v_add(v_div(v_sqrt(two), root), epsilon);
                v_store(m->value + at, v_sub(w, v_div(v_mul(step, one), scale)));
            } else {
                if (m->first) {
                    V one = v_fma(keep, v_load(m->first + at), g);
                    v_store(m->first + at, one);
                    g = rule->nesterov ? v_fma(keep, one, g) : one;
                }
                v_store(m->value + at, v_fma(down, g, w));
            }
        }
    }
}

#endif
