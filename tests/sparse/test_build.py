"""Compiling the machine: which compiler, what for, and what is said where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pretended_compiler import FAILS, WRITES, compiler, no_compiler

from ticketbench.sparse import build


def test_the_compiler_that_is_named_comes_first(tmp_path: Path, monkeypatch):
    """$CC may be a command of several words; one that is not there is passed over."""
    compiler(tmp_path, WRITES, monkeypatch)
    monkeypatch.setenv("CC", f"{os.environ['CC']} -m64")
    assert build.compiler() == (str(tmp_path / "pretended"), "-m64")
    monkeypatch.setenv("CC", "/nowhere/cc")
    (tmp_path / "gcc").symlink_to(tmp_path / "pretended")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.compiler() == (str(tmp_path / "gcc"),)


def test_every_way_is_compiled_under_its_name_and_only_x86_has_more_than_two(tmp_path: Path, monkeypatch):
    """Other processors get no flag that their compilers lack."""
    compiler(tmp_path, WRITES, monkeypatch)
    monkeypatch.setattr(build.platform, "machine", lambda: "arm64")
    told = build.build(library=tmp_path / "arm.so").read_text(encoding="utf-8").splitlines()
    assert [line.split("-DNAME=")[1].split()[0] for line in told[:-1]] == ["generic", "twin"]
    assert not [line for line in told if "-m" in line.split("-c")[0]]
    monkeypatch.setattr(build.platform, "machine", lambda: "AMD64")
    told = build.build(library=tmp_path / "x86.so").read_text(encoding="utf-8").splitlines()
    assert [line.split("-DNAME=")[1].split()[0] for line in told[:-1]] == ["generic", "twin", "avx512", "avx2"]
    assert "-mavx512f" in told[2]
    assert not [line for line in told if "fast-math" in line or "-march=native" in line]


def test_a_library_knows_its_sources(tmp_path: Path, monkeypatch):
    """It is current until one of them changes."""
    compiler(tmp_path, WRITES, monkeypatch)
    assert not build.current(tmp_path / "machine.so")
    library = build.build(library=tmp_path / "machine.so")
    assert build.current(library)
    sources = tmp_path / "native"
    sources.mkdir()
    for path in build.SOURCES.glob("*.[ch]"):
        (sources / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "SOURCES", sources)
    assert build.current(library)
    with (sources / "lanes.h").open("a", encoding="utf-8") as file:
        file.write("/* changed */\n")
    assert not build.current(library)


def test_a_compiler_that_fails_says_why_and_leaves_the_old_library(tmp_path: Path, monkeypatch, capfd):
    """With nothing half made beside it."""
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "machine.so"
    library.write_text("old", encoding="utf-8")
    compiler(tmp_path, FAILS, monkeypatch)
    with pytest.raises(subprocess.CalledProcessError):
        build.build(library=library)
    assert "no such lane" in capfd.readouterr().err
    assert [path.read_text(encoding="utf-8") for path in library.parent.iterdir()] == ["old"]


def test_without_a_compiler_the_command_says_so(tmp_path: Path, monkeypatch):
    """By exit status 1 and one line, from the file alone: nothing of ticketbench need be installed."""
    no_compiler(tmp_path, monkeypatch)
    done = subprocess.run([sys.executable, "-P", build.__file__], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The sparse engine is not compiled, and everything else works without it: "
        "there is no C compiler: neither $CC nor cc, gcc or clang"
    ]
