"""Tables that are in order as files, and say what cannot be: each is refused, and the message names the place."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from board_bundles import replace_table, seal, set_value, table_of, tiny_bundle
from board_spoils import SCRIPT, Spoil, check_refusal, field, table, twice, value


@pytest.fixture(scope="module")
def right(tmp_path_factory, plugins) -> Path:
    """A bundle in order, that is not to be touched."""
    return tiny_bundle(tmp_path_factory.mktemp("right"), plugins)


@pytest.fixture
def bundle(right, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(right, tmp_path / "submissions" / "mine"))


def again(bundle: Path) -> None:
    """One true cell under a second key, the hash of a second definition: many of these would hide others."""
    found = table_of(bundle, "cells")
    row = found.to_pylist()[0]
    row["definition"] = row["definition"].replace("\nprecision: ", "\nsource: other\nprecision: ", 1)
    row["key"] = hashlib.sha256(row["definition"].encode()).hexdigest()[:20]
    replace_table(bundle, "cells", pa.concat_tables([found, pa.Table.from_pylist([row], schema=found.schema)]))


HOSTILE: dict[str, tuple[Spoil, str]] = {
    # texts of the tables
    "a script as a model": (value("cells", "model", SCRIPT), "column 'model', row 1: .*It must be a name"),
    "a formula as a row": (value("cells", "row", "=1+1"), "column 'row', row 1: .*a spreadsheet would compute it"),
    "a formula as an error": (value("cells", "error", "\t=1+1"), "a spreadsheet would compute it"),
    "a formula as a probe": (value("probes", "name", "@SUM(A1)"), "a spreadsheet would compute it"),
    "an error with colours": (value("cells", "error", "\x1b[31m"), r"'\\x1b', a character that cannot be printed"),
    "a metric with a line end": (value("curves", "metric", "a\nb"), r"'\\n', a character that cannot be printed"),
    "an environment with an end": (value("environments", "processor", "a\x00"), "cannot be printed"),
    "a huge reason": (value("cells", "reason", "a" * 10**6), "2000 characters at most"),
    "a huge name": (value("curves", "judged_on", "a" * 10**6), "2000 characters at most"),
    "a status of its own": (value("cells", "status", "excellent"), "Valid: ok, failed"),
    # cells
    "every cell twice": (table("cells", twice), "A cell stands once"),
    "a key that is no key": (value("cells", "key", "../../x"), "A key is 20 of the signs"),
    "a key of another cell": (value("cells", "key", "0" * 20), "It is not the hash of the cell's definition"),
    "a column that the key does not say": (value("cells", "model", "mlp"), "It names another cell than the columns"),
    "a density that the key does not say": (value("cells", "density", 0.25), "It names another cell than the columns"),
    "a seed that the key does not say": (value("cells", "seed", 7), "It names another cell than the columns"),
    "a cell of another suite": (value("cells", "suite", "drn"), "row 1: 'drn'. The manifest says 'tiny'"),
    "a cell of another tier": (value("cells", "tier", "paper"), "column 'tier', row 1: 'paper'"),
    "a cell of another version": (value("cells", "suite_version", 2), "column 'suite_version', row 1: 2"),
    "another precision": (field(precision="bf16"), "column 'precision', row 1: 'fp32'. The manifest says 'bf16'"),
    "another device": (field(device_class="cuda"), "column 'device_class', row 1: 'cpu'"),
    "a row that the manifest hides": (
        lambda bundle: seal(bundle, lambda fields: fields["methods"].pop()),
        r"\[\[methods\]\] must name it",
    ),
    "a row that nobody ran": (
        lambda bundle: seal(bundle, lambda fields: fields["methods"].append({**fields["methods"][0], "row": "best"})),
        "no cell of the row 'best'",
    ),
    "a cell again under another key": (again, "Row 1 is the same cell, computed by other code"),
    "no cells": (table("cells", lambda found: found.slice(0, 0)), "has no rows"),
    "a cell without a key": (value("cells", "key", None), "Every row must have a value here"),
    "a density of zero": (value("cells", "density", 0.0), "the share of weights kept"),
    "a density above one": (value("cells", "density", 1.5), "the share of weights kept"),
    "a density that is no number": (value("cells", "density", float("nan")), "column 'density', row 1: nan"),
    "denser than dense": (value("cells", "exact_density", 1.01), "must lie between 0 and 1"),
    "a density that was not reached": (value("cells", "exact_density", 0.1), "of 40 weights are kept"),
    "more weights than there are": (value("cells", "kept", 41), "There are 40 weights"),
    "a negative time": (value("cells", "train_seconds", -1.0), "must lie between"),
    "an endless time": (value("cells", "draw_seconds", float("inf")), "must lie between"),
    "a negative seed": (value("cells", "seed", -1), "must lie between 0"),
    "finished before there was anything": (value("cells", "finished", 0.0), "column 'finished', row 1: 0.0"),
    "finished in the year 9999": (value("cells", "finished", 253370764800.0), "column 'finished'"),
    "finished before it was started": (value("cells", "started", 1_760_000_000.0), "It was finished before"),
    "judged without a result": (value("cells", "headline", None), "must have a finite one"),
    "a result of no number": (value("cells", "headline", float("nan")), "must have a finite one"),
    "an endless result": (value("cells", "headline", float("inf")), "must have a finite one"),
    "a result that has no square": (value("cells", "headline", 1.7e308), "within 1e.100 of zero"),
    "a place at no end of an axis": (value("curves", "x", float("inf")), "must lie between"),
    "a seed of all bits": (value("cells", "seed", 2**63 - 1), "must lie between 0"),
    "a density that is hardly one": (value("cells", "density", 5e-324), "It names another cell"),
    "an environment under another's name": (
        value("environments", "processor", "abacus 2"),
        "It is not the hash of its columns",
    ),
    "failed without a reason": (value("cells", "status", "failed"), "must say why"),
    "a result that its curve lacks": (value("cells", "headline", 0.9), "own test curve has no such value"),
    "a result at another budget": (value("cells", "headline_x", 7.0), "own test curve has no such value at 7"),
    "a best that nothing can be": (
        value("cells", "sweep_best", 1.5),
        r"'sweep_best': 1\.5 of 'accuracy'\. It is a share",
    ),
    "a gain by thinking on": (value("cells", "overthinking", -0.1), "must lie between 0"),
    "an environment that is not there": (value("cells", "environment", "e9"), "has no such environment"),
    "an environment twice": (table("environments", twice), "It stands once"),
    "curves of no cell": (value("curves", "key", "0" * 20), "cells.parquet has no such cell"),
    "probes of no cell": (value("probes", "key", "0" * 20), "cells.parquet has no such cell"),
    "curves of another attempt": (value("curves", "attempt", 2), "The cell's own attempt is another"),
    "a negative round": (value("curves", "round", -1), "must lie between 0"),
    "better than possible": (
        lambda bundle: [set_value(bundle, "curves", "value", 1.5, 1), set_value(bundle, "cells", "headline", 1.5)],
        r"1\.5 of 'accuracy'\. It is a share",
    ),
    "a curve worse than possible": (value("curves", "value", -0.5, 1), "no such value|It is a share"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_one_clear_message(case, bundle):
    """And nothing is written."""
    check_refusal(bundle, *HOSTILE[case])


def test_the_collection_is_as_large_as_it_claims():
    """More than fifty ways."""
    assert len(HOSTILE) >= 50
