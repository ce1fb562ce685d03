"""The wheels that `make gpu` needs on a machine without a network, in the versions of constraints.txt.

`python -m benchmarks.gpu.wheels FOLDER [--python 3.12] [--with NAME …] [--without NAME …]` downloads them for Linux on
x86-64. torch and Triton are on the machine. Of ticketbench's dependencies only those are taken that a run imports;
scikit-learn, which brings the digits, is large and none of them: without it random numbers stand in for the digits.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.environment import NEEDED, ROOT

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main() -> int:
    """Download, and say how large all of them are together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="the Python of the machine (default: %(default)s)")
    parser.add_argument("--with", nargs="+", default=[], metavar="NAME", dest="more", help="more distributions")
    parser.add_argument("--without", nargs="+", default=[], metavar="NAME", help="what the machine has already")
    asked = parser.parse_args()
    names = [name for name in (*NEEDED, *asked.more) if name not in asked.without]
    words = ["download", "--quiet", "--dest", str(asked.folder), "--only-binary", ":all:"]
    words += ["--python-version", asked.python, "--implementation", "cp"]
    for platform in PLATFORMS:
        words += ["--platform", platform]
    words += ["--constraint", str(ROOT / "constraints.txt"), *names]
    if subprocess.run([sys.executable, "-m", "pip", *words], check=False).returncode:
        return 1
    sizes = {path.name: path.stat().st_size for path in sorted(asked.folder.glob("*.whl"))}
    for name, size in sizes.items():
        print(f"{size / 2**20:8.1f} MiB  {name}")
    print(f"{sum(sizes.values()) / 2**20:8.1f} MiB  in {asked.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
