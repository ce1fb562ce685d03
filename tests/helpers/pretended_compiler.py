"""C compilers for tests of packaging: one that writes down what it is told, one that fails, none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

WRITES = """#!/bin/sh
told="$*"
objects=
while [ $# -gt 0 ]; do
    case "$1" in -o) to="$2";; *.o) objects="$objects $1";; esac
    shift
done
case "$told" in
    *-shared*) for one in $objects; do while read -r line; do echo "$line"; done < "$one"; done > "$to";;
    *) echo "$told" > "$to";;
esac
"""
FAILS = "#!/bin/sh\necho 'lanes.h: no such lane' >&2\nexit 3\n"


def compiler(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This script is the C compiler: what it makes are the words that it was told."""
    path = folder / "pretended"
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))


def no_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither $CC nor anything on the path."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(folder))
