"""A tiny suite for tests, as the text of its file."""

from __future__ import annotations

TINY = """
schema = 1
name = "tiny"
version = 1
title = "A tiny suite for tests"
reference = "none"
scorers_run_as = "oneshot"

[headline]
metric = "accuracy"
at = "last"

[methods]
dense = { method = "dense" }
random = { method = "oneshot", scorer = "random" }
magnitude = { method = "oneshot", scorer = "magnitude" }
snip = { method = "oneshot", scorer = "snip" }
imp = { method = { name = "imp", fraction = 0.5 }, scorer = "magnitude" }
rigl = { method = { name = "rigl", every = 5 }, scorer = "random" }

[recipes.plain]
optimizer = "adam"
learning_rate = 1e-2
batch = 20
steps = 20
log_every = 5

[tiers.smoke]
about = "seconds"
seeds = [0, 1]
timeout = 60

[[tiers.smoke.blocks]]
tasks = ["blobs"]
models = [{ name = "mlp", hidden = [8] }]
protocols = ["same"]
initializers = ["default"]
methods = ["dense", "magnitude"]
densities = [0.5]
recipe = "plain"
"""
