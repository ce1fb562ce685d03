"""Tables, targets, and the file that the check writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu.results import Results, Section, Target


def test_a_table_has_a_line_a_row_and_says_what_is_missing():
    """Numbers to the right, words to the left, a dash for what is not there."""
    section = Section("a", "Speeds", ("fleet", "rate"), seconds=1.25, share=2.0, status="cut")
    section.add(fleet="one", rate=1234.5)
    section.add(fleet="second")
    section.left_out.append("the third")
    assert section.table().splitlines() == [
        "Speeds (1.2 s of 2 s, cut short)",
        "  fleet    rate",
        "  one     1,234",
        "  second      -",
        "  left out: the third",
    ]


def test_a_row_has_no_other_columns():
    """A typing error would be a column that nobody sees."""
    with pytest.raises(KeyError, match="no column speed"):
        Section("a", "A", ("rate",)).add(speed=1.0)


def test_targets_are_reached_on_their_side():
    """At most and at least, the limit itself included; nothing is neither."""
    wanted = [("at most", 2.0, True), ("at most", 2.1, False), ("at least", 2.0, True), ("at least", 1.9, False)]
    for side, found, reached in wanted:
        assert Target("t", side, 2.0, "s", found).reached is reached  # type: ignore[arg-type]
    assert Target("t", "at most", 2.0, "s").reached is None


def test_a_mismatch_or_a_failure_is_not_ok_and_a_missed_target_is(tmp_path: Path):
    """Speed is no reason for an exit status."""
    results = Results(tmp_path / "out" / "gpu.json", rehearsal=False)
    results.target("speed", "at least", 10.0, "", 1.0)
    results.sections.append(Section("a", "A", ("rate",), status="cut"))
    assert results.ok
    results.sections[0].mismatches.append("one weight differs")
    assert not results.ok
    results.sections[0] = Section("a", "A", ("rate",), status="failed", error="…")
    assert not results.ok
    results.sections[0].add(rate=float("nan"))
    results.write()
    content = json.loads(results.path.read_text(encoding="utf-8"))
    assert content["ok"] is False
    assert content["sections"][0]["rows"] == [{"rate": None}]
    assert content["targets"][0]["reached"] is False
