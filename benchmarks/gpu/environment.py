"""An environment for `make gpu` where torch is there already and no network is: `-m benchmarks.gpu.environment WHEELS
FOLDER`.

It lies over the Python that runs this file, and sees everything that is installed there, torch with it, also where that
is an environment itself. What is missing comes from a folder of wheels (`make gpu-wheels` fills one). The source tree
is used as it lies: its folders are on the path, and its entry points are written down, as an editable install would
do, but without a build. It needs the standard library and pip.
"""

from __future__ import annotations

import argparse
import os
import re
import site
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("numpy", "pluggy", "pydantic", "pytest")
"""What runs and the tests of kernels import, of all that ticketbench depends on; torch is there."""


def project() -> dict[str, Any]:
    """What pyproject.toml says of ticketbench."""
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def requirements() -> list[str]:
    """What is needed, in the versions that pyproject.toml allows."""
    facts = project()
    lines = [*facts["dependencies"], *facts["optional-dependencies"]["test"]]
    named = {re.split(r"[\s<>=!~\[;]", line, maxsplit=1)[0]: line for line in lines}
    return [named[name] for name in NEEDED]


def make(folder: Path) -> Path:
    """An environment over this Python, with the source tree on its path; its Python."""
    venv.EnvBuilder(system_site_packages=True, clear=True, with_pip=False, symlinks=os.name != "nt").create(folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    beneath = [path for path in [*site.getsitepackages(), site.getusersitepackages()] if Path(path).is_dir()]
    lines = "".join(f"import site; site.addsitedir({path!r})\n" for path in beneath)
    (packages / "beneath.pth").write_text(lines, encoding="utf-8")
    (packages / "a-ticketbench.pth").write_text(f"{ROOT}\n{ROOT / 'plugins'}\n", encoding="utf-8")
    facts = project()
    about = packages / f"{facts['name']}-{facts['version']}.dist-info"
    about.mkdir()
    lines = f"Metadata-Version: 2.1\nName: {facts['name']}\nVersion: {facts['version']}\n"
    (about / "METADATA").write_text(lines, encoding="utf-8")
    points = "".join(f"{name} = {module}\n" for name, module in facts["entry-points"]["ticketbench"].items())
    (about / "entry_points.txt").write_text(f"[ticketbench]\n{points}", encoding="utf-8")
    return python


def main() -> int:
    """Make the environment, and say what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path, help="the folder with wheels of what is not there")
    parser.add_argument("folder", type=Path, help="where the environment is made; what lies there is replaced")
    asked = parser.parse_args()
    if not asked.wheels.is_dir():
        print(f"There is no folder {asked.wheels}. `make gpu-wheels` makes one, where there is a network.")
        return 2
    if asked.folder.exists() and not (asked.folder / "pyvenv.cfg").is_file():
        print(f"{asked.folder} is no environment; it is left alone. Name a folder that is none yet.")
        return 2
    python = make(asked.folder)
    words = ["install", "--quiet", "--no-index", "--find-links", str(asked.wheels), *requirements()]
    if subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *words], check=False).returncode:
        print(f"Wheels are missing in {asked.wheels}, or made for another Python than {sys.version.split()[0]}.")
        return 1
    check = "import torch, ticketbench.engine.execute; print('torch', torch.__version__, 'from', torch.__path__[0])"
    return subprocess.run([str(python), "-c", check], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
