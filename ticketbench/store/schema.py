"""The tables of a store, column by column. A change here raises `SCHEMA_VERSION`."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1
MARKER = "ticketbench-store.json"
PROBE_SPLIT = "probe"
"""The split of curves that probes measured along something."""

STATUSES = ("ok", "failed", "collapsed", "diverged", "timeout", "skipped")
"""ok: judged. collapsed: judged, but a layer lost all weights. diverged: the loss stopped being finite.
failed: something raised. timeout: stopped by the clock. skipped: the method or model says it cannot."""

TEXT, REAL, WHOLE = pa.string(), pa.float64(), pa.int64()

CELLS = {
    "key": TEXT, "attempt": WHOLE,
    "suite": TEXT, "suite_version": WHOLE, "tier": TEXT, "row": TEXT, "method": TEXT, "scorer": TEXT,
    "model": TEXT, "task": TEXT, "protocol": TEXT, "initializer": TEXT, "recipe": TEXT,
    "density": REAL, "seed": WHOLE, "precision": TEXT, "device_class": TEXT,
    "status": TEXT, "reason": TEXT, "error": TEXT,
    "headline_metric": TEXT, "headline": REAL,
    "exact_density": REAL, "kept": WHOLE, "prunable": WHOLE, "parameters": WHOLE, "parameters_dense": WHOLE,
    "flops": REAL, "flops_dense": REAL,
    "draw_seconds": REAL, "train_seconds": REAL, "train_steps": WHOLE, "peak_memory": WHOLE,
    "engine": TEXT, "fleet_size": WHOLE, "started": REAL, "finished": REAL,
    "environment": TEXT, "definition": TEXT,
}  # fmt: skip

CURVES = {
    "key": TEXT, "attempt": WHOLE, "split": TEXT, "judged_on": TEXT, "metric": TEXT, "round": WHOLE,
    "x_name": TEXT, "x": REAL, "value": REAL,
}  # fmt: skip

PROBES = {"key": TEXT, "attempt": WHOLE, "probe": TEXT, "moment": TEXT, "name": TEXT, "value": REAL}

ENVIRONMENTS = {
    "environment": TEXT, "ticketbench": TEXT, "commit": TEXT, "dirty": pa.bool_(), "python": TEXT, "torch": TEXT,
    "numpy": TEXT, "plugins": TEXT, "system": TEXT, "processor": TEXT, "cores": WHOLE, "memory": WHOLE,
    "accelerators": TEXT, "threads": WHOLE,
}  # fmt: skip

SCHEMAS: dict[str, pa.Schema] = {
    name: pa.schema(list(columns.items()))
    for name, columns in {
        "cells": CELLS, "curves": CURVES, "probes": PROBES, "environments": ENVIRONMENTS
    }.items()
}  # fmt: skip
"""Table -> its schema."""
