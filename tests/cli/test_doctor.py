"""`ticketbench doctor` on the sparse engine: there, absent, broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pretended_compiler import WRITES, compiler, no_compiler

from ticketbench.cli.doctor import sparse_engine
from ticketbench.sparse import build, library
from ticketbench.sparse.library import missing


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """The library of the sparse engine is to lie here, where there is none."""
    monkeypatch.setattr(library, "MACHINE_FILE", tmp_path / "machine.so")
    missing.cache_clear()
    library.shared_library.cache_clear()
    yield tmp_path / "machine.so"
    missing.cache_clear()
    library.shared_library.cache_clear()


def test_doctor_says_how_to_come_by_the_sparse_engine(elsewhere: Path, tmp_path: Path, monkeypatch):
    """Without a compiler and with one; its absence is nothing wrong."""
    compiler(tmp_path, WRITES, monkeypatch)
    ok, _, finding = sparse_engine()
    assert ok
    assert finding.endswith("it has not been compiled. Do it by: python -m ticketbench.sparse.build")
    missing.cache_clear()
    no_compiler(tmp_path, monkeypatch)
    ok, _, finding = sparse_engine()
    assert ok
    assert "there is no C compiler" in finding
    assert finding.endswith("Install one, then: python -m ticketbench.sparse.build")


def test_doctor_finds_a_sparse_engine_that_cannot_be_used(elsewhere: Path):
    """What is no library is something wrong."""
    elsewhere.write_text("no library", encoding="utf-8")
    ok, _, finding = sparse_engine()
    assert not ok
    assert "cannot be loaded" in finding
    assert finding.endswith("Compile it anew by: python -m ticketbench.sparse.build")


def test_doctor_says_how_the_sparse_engine_computes():
    """By one of the ways that are compiled for this processor."""
    if missing():
        pytest.skip(missing())
    ok, check, finding = sparse_engine()
    assert ok
    assert check == "sparse engine"
    assert finding in {f"compiled, computes by {way} here" for way in build.ways()}
