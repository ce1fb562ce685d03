/* Sixteen numbers at a time, with the same results on every machine.
 *
 * A vector has sixteen lanes wherever it is computed: in one register with AVX-512, in two with AVX2, in an array
 * elsewhere. Every operation is defined lane by lane and rounds once (a product that is added is fused), sums over
 * lanes add halves (8, 4, 2, 1), and exponentials are polynomials that are written here, so that nothing depends on
 * which of the three it is. LANES_TWIN makes a twin in double precision, for tests.
 */
#ifndef LANES_H
#define LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define INLINE static inline __attribute__((always_inline))

#ifdef LANES_TWIN
typedef double real;
#else
typedef float real;
#endif

#if defined(LANES_AVX512)
#include <immintrin.h>
typedef __m512 V;
INLINE V v_load(const real *at) { return _mm512_loadu_ps(at); }
INLINE void v_store(real *at, V a) { _mm512_storeu_ps(at, a); }
INLINE V v_all(real x) { return _mm512_set1_ps(x); }
INLINE V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
INLINE V v_add(V a, V b) { return _mm512_add_ps(a, b); }
INLINE V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
INLINE V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
INLINE V v_div(V a, V b) { return _mm512_div_ps(a, b); }
INLINE V v_sqrt(V a) { return _mm512_sqrt_ps(a); }
/* a > b ? a : b, so that b is the answer if either is not a number */
INLINE V v_max(V a, V b) { return _mm512_max_ps(a, b); }
INLINE V v_min(V a, V b) { return _mm512_min_ps(a, b); }
/* a where gate > 0, else 0 */
INLINE V v_gate(V a, V gate) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(gate, _mm512_setzero_ps(), _CMP_GT_OQ), a);
}
/* a where x >= y, else b */
INLINE V v_pick(V x, V y, V a, V b) { return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, y, _CMP_GE_OQ), a); }
/* a · 2ⁿ for whole n */
INLINE V v_scale(V a, V n) {
    __m512i e = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
    return _mm512_mul_ps(a, _mm512_castsi512_ps(e));
}
INLINE V v_round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE real v_sum(V a) {
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a),
                             _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1)));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
/* The sums of sixteen vectors, in their order. */
INLINE V v_sums(const V *a) {
    V half[8], quarter[4], eighth[2];
    /* slot n of a lane is number 4 (n mod 4) + n div 4 here, which the shuffles put in order */
    for (int n = 0; n < 8; n++) {
        int one = 2 * n, two = 2 * n + 1;
        V x = a[4 * (one % 4) + one / 4], y = a[4 * (two % 4) + two / 4];
        half[n] = _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xEE));
    }
    for (int n = 0; n < 4; n++)
        quarter[n] = _mm512_add_ps(_mm512_shuffle_f32x4(half[2 * n], half[2 * n + 1], 0x88),
                                   _mm512_shuffle_f32x4(half[2 * n], half[2 * n + 1], 0xDD));
    for (int n = 0; n < 2; n++)
        eighth[n] = _mm512_add_ps(_mm512_shuffle_ps(quarter[2 * n], quarter[2 * n + 1], 0x44),
                                  _mm512_shuffle_ps(quarter[2 * n], quarter[2 * n + 1], 0xEE));
    return _mm512_add_ps(_mm512_shuffle_ps(eighth[0], eighth[1], 0x88),
                         _mm512_shuffle_ps(eighth[0], eighth[1], 0xDD));
}
/* Sixteen rows of sixteen numbers as columns, `stride` numbers apart. */
INLINE void v_turn(const real *rows, real *out, int64_t stride) {
    V a[LANES], b[LANES];
    for (int n = 0; n < LANES; n++) a[n] = v_load(rows + n * LANES);
    for (int n = 0; n < LANES; n += 2) {
        b[n] = _mm512_unpacklo_ps(a[n], a[n + 1]);
        b[n + 1] = _mm512_unpackhi_ps(a[n], a[n + 1]);
    }
    for (int n = 0; n < LANES; n += 4) {
        a[n] = _mm512_shuffle_ps(b[n], b[n + 2], 0x44);
        a[n + 1] = _mm512_shuffle_ps(b[n], b[n + 2], 0xEE);
        a[n + 2] = _mm512_shuffle_ps(b[n + 1], b[n + 3], 0x44);
        a[n + 3] = _mm512_shuffle_ps(b[n + 1], b[n + 3], 0xEE);
    }
    for (int n = 0; n < 4; n++) {
        V low = _mm512_shuffle_f32x4(a[n], a[n + 4], 0x88), high = _mm512_shuffle_f32x4(a[n], a[n + 4], 0xDD);
        V low2 = _mm512_shuffle_f32x4(a[n + 8], a[n + 12], 0x88), high2 = _mm512_shuffle_f32x4(a[n + 8], a[n + 12], 0xDD);
        v_store(out + n * stride, _mm512_shuffle_f32x4(low, low2, 0x88));
        v_store(out + (n + 4) * stride, _mm512_shuffle_f32x4(high, high2, 0x88));
        v_store(out + (n + 8) * stride, _mm512_shuffle_f32x4(low, low2, 0xDD));
        v_store(out + (n + 12) * stride, _mm512_shuffle_f32x4(high, high2, 0xDD));
    }
}
#elif defined(LANES_AVX2)
#include <immintrin.h>
typedef struct { __m256 lo, hi; } V;
#define EACH(expression_lo, expression_hi) (V){expression_lo, expression_hi}
INLINE V v_load(const real *at) { return EACH(_mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)); }
INLINE void v_store(real *at, V a) { _mm256_storeu_ps(at, a.lo); _mm256_storeu_ps(at + 8, a.hi); }
INLINE V v_all(real x) { return EACH(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
INLINE V v_fma(V a, V b, V c) { return EACH(_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)); }
INLINE V v_add(V a, V b) { return EACH(_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)); }
INLINE V v_sub(V a, V b) { return EACH(_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)); }
INLINE V v_mul(V a, V b) { return EACH(_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)); }
INLINE V v_div(V a, V b) { return EACH(_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)); }
INLINE V v_sqrt(V a) { return EACH(_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)); }
INLINE V v_max(V a, V b) { return EACH(_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)); }
INLINE V v_min(V a, V b) { return EACH(_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)); }
INLINE V v_gate(V a, V gate) {
    __m256 zero = _mm256_setzero_ps();
    return EACH(_mm256_and_ps(a.lo, _mm256_cmp_ps(gate.lo, zero, _CMP_GT_OQ)),
                _mm256_and_ps(a.hi, _mm256_cmp_ps(gate.hi, zero, _CMP_GT_OQ)));
}
INLINE V v_pick(V x, V y, V a, V b) {
    return EACH(_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, y.lo, _CMP_GE_OQ)),
                _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, y.hi, _CMP_GE_OQ)));
}
INLINE __m256 scale_half(__m256 a, __m256 n) {
    __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(a, _mm256_castsi256_ps(e));
}
INLINE V v_scale(V a, V n) { return EACH(scale_half(a.lo, n.lo), scale_half(a.hi, n.hi)); }
INLINE V v_round(V a) {
    return EACH(_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE real v_sum(V a) {
    __m256 h = _mm256_add_ps(a.lo, a.hi);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
INLINE V v_sums(const V *a) {
    real out[LANES];
    for (int n = 0; n < LANES; n++) out[n] = v_sum(a[n]);
    return v_load(out);
}
#else
typedef struct { real at[LANES]; } V;
#define EACH(expression) V r; for (int l = 0; l < LANES; l++) r.at[l] = (expression); return r
#ifdef LANES_TWIN
#define FMA fma
#define SQRT sqrt
#define RINT rint
#define LDEXP ldexp
#else
#define FMA fmaf
#define SQRT sqrtf
#define RINT rintf
#define LDEXP ldexpf
#endif
INLINE V v_load(const real *at) { EACH(at[l]); }
INLINE void v_store(real *at, V a) { memcpy(at, a.at, sizeof a.at); }
INLINE V v_all(real x) { EACH(x); }
INLINE V v_fma(V a, V b, V c) { EACH(FMA(a.at[l], b.at[l], c.at[l])); }
INLINE V v_add(V a, V b) { EACH(a.at[l] + b.at[l]); }
INLINE V v_sub(V a, V b) { EACH(a.at[l] - b.at[l]); }
INLINE V v_mul(V a, V b) { EACH(a.at[l] * b.at[l]); }
INLINE V v_div(V a, V b) { EACH(a.at[l] / b.at[l]); }
INLINE V v_sqrt(V a) { EACH(SQRT(a.at[l])); }
INLINE V v_max(V a, V b) { EACH(a.at[l] > b.at[l] ? a.at[l] : b.at[l]); }
INLINE V v_min(V a, V b) { EACH(a.at[l] < b.at[l] ? a.at[l] : b.at[l]); }
INLINE V v_gate(V a, V gate) { EACH(gate.at[l] > 0 ? a.at[l] : 0); }
INLINE V v_pick(V x, V y, V a, V b) { EACH(x.at[l] >= y.at[l] ? a.at[l] : b.at[l]); }
INLINE V v_scale(V a, V n) { EACH(n.at[l] == n.at[l] ? LDEXP(a.at[l], (int)n.at[l]) : n.at[l]); }
INLINE V v_round(V a) { EACH(RINT(a.at[l])); }
INLINE real v_sum(V a) {
    for (int width = LANES / 2; width; width /= 2)
        for (int l = 0; l < width; l++) a.at[l] += a.at[l + width];
    return a.at[0];
}
INLINE V v_sums(const V *a) { EACH(v_sum(a[l])); }
#endif

#ifndef LANES_AVX512
INLINE void v_turn(const real *rows, real *out, int64_t stride) {
    for (int n = 0; n < LANES; n++)
        for (int q = 0; q < LANES; q++) out[n * stride + q] = rows[q * LANES + n];
}
#endif

INLINE V v_zero(void) { return v_all(0); }
INLINE V v_relu(V a) { return v_max(v_zero(), a); }

#ifdef LANES_TWIN
INLINE V v_exp(V a) { EACH(exp(a.at[l])); }
INLINE V v_tanh(V a) { EACH(tanh(a.at[l])); }
INLINE V v_sigmoid(V a) { EACH(1 / (1 + exp(-a.at[l]))); }
#else
/* e^a: a = n ln 2 + r with |r| <= ln 2 / 2, and e^r by the terms of its series up to r^7; between e^-87 and e^88. */
INLINE V v_exp(V a) {
    a = v_max(v_all(-87.0f), v_min(v_all(88.0f), a));
    V n = v_round(v_mul(a, v_all(1.44269504088896341f)));
    V r = v_fma(n, v_all(-0.693145751953125f), a);
    r = v_fma(n, v_all(-1.42860682030941723e-6f), r);
    V p = v_all(1.0f / 5040);
    p = v_fma(p, r, v_all(1.0f / 720));
    p = v_fma(p, r, v_all(1.0f / 120));
    p = v_fma(p, r, v_all(1.0f / 24));
    p = v_fma(p, r, v_all(1.0f / 6));
    p = v_fma(p, r, v_all(0.5f));
    p = v_fma(p, r, v_all(1.0f));
    p = v_fma(p, r, v_all(1.0f));
    return v_scale(p, n);
}
INLINE V v_sigmoid(V a) { return v_div(v_all(1), v_add(v_all(1), v_exp(v_sub(v_zero(), a)))); }
/* tanh: near zero by its series, where 1 - 2 / (e^2a + 1) would lose digits */
INLINE V v_tanh(V a) {
    V z = v_mul(a, a);
    V p = v_all(21844.0f / 6081075);
    p = v_fma(p, z, v_all(-1382.0f / 155925));
    p = v_fma(p, z, v_all(62.0f / 2835));
    p = v_fma(p, z, v_all(-17.0f / 315));
    p = v_fma(p, z, v_all(2.0f / 15));
    p = v_fma(p, z, v_all(-1.0f / 3));
    V near = v_fma(v_mul(p, z), a, a);
    V far = v_sub(v_all(1), v_div(v_all(2), v_add(v_exp(v_add(a, a)), v_all(1))));
    return v_pick(z, v_all(0.09f), far, near);
}
#endif

#endif
