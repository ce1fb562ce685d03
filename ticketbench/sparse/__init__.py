"""Training and judging at a cost that falls with the density: a machine in C for the live weights of a network."""
