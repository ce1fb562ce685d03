"""One fleet's error is noted, and the next one has its turn, unless the device is broken."""

from __future__ import annotations

import pytest

from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Section
from benchmarks.gpu.troubles import going_on


def test_an_error_is_a_trouble_and_no_end(monkeypatch: pytest.MonkeyPatch):
    """With what it was about, and where it was raised; a device that computes nothing more ends it."""
    section, machine = Section("a", "A", ("rate",)), Machine(rehearsal=True)
    for number in range(3):
        with going_on(machine, section, f"fleet {number}"):
            if number == 1:
                raise ValueError("no such thing\nand more")
            section.add(rate=float(number))
    assert [row["rate"] for row in section.rows] == [0.0, 2.0]
    (trouble,) = section.troubles
    assert trouble.startswith("fleet 1: ValueError: no such thing (")
    assert "test_troubles.py" in trouble
    assert "FAILED: fleet 1" in section.table()
    monkeypatch.setattr(Machine, "works", lambda self: False)
    with pytest.raises(ValueError, match="again"), going_on(machine, section, "fleet 3"):
        raise ValueError("again")
    assert len(section.troubles) == 2
