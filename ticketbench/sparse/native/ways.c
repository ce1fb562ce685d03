/* Which ways to compute lanes this processor has. */
#include <stdint.h>

/* 2: AVX-512, 1: AVX2 with FMA, 0: neither, or another processor. */
int64_t best_way(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

/* Of which sources this library was made. */
const char *sources(void) { return SOURCES; }
