"""The check for a machine with a GPU: right, as on a CPU, and as fast as hoped. `python -m benchmarks.gpu --help`."""
