"""Records read back: measures, statistics, and verdicts on claims."""
