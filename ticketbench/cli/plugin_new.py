"""`ticketbench plugin new`: a plugin that works as it is, to change."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import rich_click as click

from ticketbench.errors import PluginError

NEW_KINDS = ("scorer", "method", "model", "task", "protocol", "initializer", "probe", "suite", "package")


@click.command("new")
@click.argument("kind", type=click.Choice(NEW_KINDS))
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@click.option("--name", help="What it is called in suites and on the command line. Default: the name of the path.")
def new(kind: str, path: Path, name: str | None) -> None:
    """Write a plugin that works as it is, to change.

    A scorer, method, model, task, protocol, initializer or probe is one file, PATH.py. A suite is two: PATH.py, and the
    TOML file of its name beside it. A package is a folder PATH with a pyproject.toml, a scorer, a test and a README.
    """
    name = name or (path.stem if kind != "package" else path.name.replace("-", "_"))
    fits = path.suffix == ".py" or kind == "package"
    if not fits or not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        what = "a folder" if kind == "package" else "a file that ends in .py"
        raise PluginError(f"'{path}' with the name '{name}': give {what} and a name of letters and _.")
    samples = files("ticketbench") / "samples"
    written = contents(kind, path, name, samples)
    taken = [place for place in (path, *written) if place.exists()]
    if taken:
        raise PluginError(f"{taken[0]} is there already, and is not written over. Give another name.")
    try:
        for place, text in written.items():
            if kind == "package":
                place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PluginError(f"cannot write {error.filename or path}: {error.strerror or error}.") from None
    first = next(place for place in written if place.suffix == ".py")
    click.echo(
        f"written to {', '.join(map(str, written))}; `ticketbench plugin check {first}` "
        "looks whether it keeps the contract"
    )


def contents(kind: str, path: Path, name: str, samples: Traversable) -> Mapping[Path, str]:
    """Every file that is to be written, with its text under the name that was given."""
    folder, package = samples / "package", path / "src" / name
    if kind == "package":
        sources = {
            package / "scorer.py": samples / "scorer.py",
            package / "__init__.py": folder / "init.txt",
            path / "tests" / f"test_{name}.py": folder / "test.txt",
            path / "pyproject.toml": folder / "pyproject.toml",
            path / "README.md": folder / "README.md",
        }
    elif kind == "suite":
        sources = {path: samples / "suite.py", path.with_name(f"{name}.toml"): samples / "suite.toml"}
    else:
        sources = {path: samples / f"{kind}.py"}
    return {place: renamed(sample.read_text(encoding="utf-8"), name) for place, sample in sources.items()}


def renamed(text: str, name: str) -> str:
    """A sample under another name; a class has its words in capitals."""
    text = re.sub(r"\bSample\b", title(name), text)
    return re.sub(r"(?<![A-Za-z0-9])sample(?![A-Za-z0-9])", name, text)


def title(name: str) -> str:
    """A name in the form of a class's: `my_own` as `MyOwn`."""
    return "".join(part.capitalize() for part in name.split("_")) or "Mine"
