"""Many cells trained as one stacked model: networks, steps, lives, judging."""
