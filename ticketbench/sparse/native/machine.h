/* What instructions work on: a tape of them, an arena of activations, the live weights of a member, and what is
 * outside. `layout.py` describes the same structures to Python. */
#ifndef MACHINE_H
#define MACHINE_H

#include "lanes.h"

#define WORDS 24

/* One instruction: what to do, and numbers that say where. */
typedef struct {
    int64_t what;
    int64_t word[WORDS - 1];
} Instruction;

/* A tensor of weights of which the live ones are kept, row by row; without `row` all are, as one block. */
typedef struct {
    const int32_t *row;    /* where each row begins, and each block of columns within it; at last where the last ends */
    const int32_t *column; /* of every live weight, within its row */
    int64_t blocks;        /* blocks of columns in a row: what one of them reads fits the nearest cache */
    const int32_t *down;   /* of a convolution, the same with rows for inputs, and columns for outputs and places of */
    const int32_t *turned; /* the kernel */
    int64_t downs;         /* blocks of those */
    const int32_t *place;  /* where the values of these are */
    int64_t at;            /* where its values begin */
    int64_t count;         /* live weights */
    double factor;         /* on the learning rate; below zero: it is not trained */
    int64_t decays;
} Part;

/* The live weights of one network, with their gradients and the slots of its optimizer. */
typedef struct {
    int64_t parts;
    const Part *part;
    int64_t size; /* of each of the following, a multiple of LANES */
    real *value;
    real *gradient;
    real *first;  /* momentum, or the first moment */
    real *second; /* the second moment */
} Member;

/* Rows outside: examples, targets, states that are carried, outputs. */
typedef struct {
    void *at;
    int64_t stride;       /* numbers from row to row */
    const int64_t *index; /* which row an example is; without it, its own number */
} Stream;

typedef struct {
    int64_t count;
    const Instruction *instruction;
    const int32_t *pool; /* offsets that instructions share */
    int64_t arena;       /* numbers that a batch tile takes */
    int64_t tile;        /* examples side by side, a multiple of LANES */
} Program;

typedef struct {
    int64_t adam;
    double first_keep, second_keep, epsilon; /* beta 1 (or the momentum), beta 2 */
    int64_t nesterov, decoupled;
    double decay;
    double clip; /* 0: none */
} Rule;

/* Where an instruction runs: some examples of a batch, side by side. */
typedef struct {
    const Program *program;
    const Member *member;
    const Stream *stream;
    real *arena;
    int64_t start, examples; /* of the batch: the first one here, and how many there are here */
    int64_t batch;           /* examples in all */
    double loss;
} Tile;

#endif
