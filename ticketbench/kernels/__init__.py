"""Kernels for the arithmetic that training a fleet repeats most, each with a twin in torch that is its reference."""
