"""The report: a paper's tables and figures with our values beside its own, and a verdict on each of its claims."""
