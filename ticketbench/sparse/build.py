"""Compiles the machine, where there is a C compiler: `python -m ticketbench.sparse.build`."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
MACHINE_FILE = SOURCES / "machine.so"
FLAGS = ("-O3", "-std=c11", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra")
"""Products and sums are fused where the sources say so, and nowhere else."""
WAYS = {"generic": (), "twin": ("-DLANES_TWIN",)}
"""How lanes are computed -> what the compiler is told; the twin is in double precision."""
X86_WAYS = {
    "avx512": ("-DLANES_AVX512", "-mavx512f", "-mfma", "-mprefer-vector-width=512"),
    "avx2": ("-DLANES_AVX2", "-mavx2", "-mfma"),
}


def ways() -> dict[str, tuple[str, ...]]:
    """The ways that can be compiled for this processor's family."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return {**WAYS, **(X86_WAYS if x86 else {})}


def sources_digest() -> str:
    """Of the sources, which a library carries so that an old one is not taken for a new one."""
    text = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]")))
    return hashlib.sha256(text + repr((FLAGS, sorted(ways().items()))).encode()).hexdigest()[:16]


def compiler() -> tuple[str, ...]:
    """The command of this machine's C compiler; empty if it has none."""
    named = shlex.split(os.environ.get("CC", ""))
    if named and shutil.which(named[0]):
        return tuple(named)
    return next(((found,) for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), ())


def current(library: Path = MACHINE_FILE) -> bool:
    """Whether it was compiled of these very sources."""
    return library.is_file() and sources_digest().encode() in library.read_bytes()


def build(extra: tuple[str, ...] = (), library: Path = MACHINE_FILE) -> Path:
    """Compile and link; `OSError` where there is no compiler, `subprocess.CalledProcessError` where it fails."""
    command = compiler()
    if not command:
        raise OSError("there is no C compiler: neither $CC nor cc, gcc or clang")
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        compiled = [("machine.c", way, (*flags, f"-DNAME={way}")) for way, flags in ways().items()]
        compiled.append(("ways.c", "ways", (f'-DSOURCES="{sources_digest()}"',)))
        objects = [f"{folder}/{name}.o" for _, name, _ in compiled]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(
                lambda one, to: run_compiler(*command, *FLAGS, *one[2], *extra, "-c", str(SOURCES / one[0]), "-o", to),
                compiled,
                objects,
            ):
                pass
        made = f"{folder}/machine.so"
        run_compiler(*command, "-shared", *extra, *objects, "-lm", "-o", made)
        os.replace(made, library)
    return library


def run_compiler(*command: str) -> None:
    """A command; what it says is printed if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        done.check_returncode()


def compile_in_place() -> int:
    """Compile in place, for whoever runs this module; exit status 1 where that is not possible."""
    try:
        print(build())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The sparse engine is not compiled, and everything else works without it: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(compile_in_place())
