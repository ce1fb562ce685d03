"""Fingerprints: a key changes when source that its cell uses changes, and for no other reason."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import STRANGER

from ticketbench.plugin import fingerprint as module_under_test
from ticketbench.plugin.fingerprint import closure, fingerprint

Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write files into a folder that is on the path until the test ends."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def files(contents: dict[str, str]) -> Path:
        for place, text in contents.items():
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_text(text, encoding="utf-8")
        return tmp_path

    yield files
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


# -- through the command line ------------------------------------------------------------------------------


def test_keys_follow_the_source_behind_them(tmp_path: Path, ticketbench):
    """The story of a plugin's author, by real plans on a copied plugin folder.

    Comments, docstrings, blank lines and other files leave all keys as they are. Changing a helper that the scorer's
    file imports changes the keys of the cells that use that file, and of no others.
    """
    folder = tmp_path / "mine"
    shutil.copytree(STRANGER.parent, folder)
    unrelated = folder / "unrelated.py"
    unrelated.write_text("x = 1\n")

    def keys() -> dict[str, str]:
        rows = [part for row in ("fisher", "halfway", "snip", "dense") for part in ("--method", row)]
        plan = ("plan", "--suite", "drn", "--tier", "smoke", "--seeds", "1", "--json")
        done = ticketbench(*plan, "--plugin", folder / STRANGER.name, *rows)
        assert done.returncode == 0, done.stderr
        return {cell["row"]: cell["key"] for cell in json.loads(done.stdout)["cells"]}

    before = keys()
    assert set(before) == {"fisher", "halfway", "snip", "dense"}

    helper = folder / "stranger_statistics.py"
    source = helper.read_text()
    helper.write_text(
        source.replace("    total = squares", "\n    # the sum\n\n    total = squares").replace("]\n", "]  # all\n")
    )
    plugin = folder / STRANGER.name
    plugin.write_text("# a comment\n\n" + plugin.read_text().replace('"""', '"""In other words: ', 1))
    unrelated.write_text("x = 2  # changed\n")
    assert helper.read_text() != source
    assert keys() == before

    changed = source.replace("part.square()", "part.abs()")
    assert changed != source
    helper.write_text(changed)
    after = keys()
    assert {row for row in before if after[row] != before[row]} == {"fisher", "halfway"}


# -- what is followed --------------------------------------------------------------------------------------


def test_imports_are_followed_within_the_package_and_beside_it(write: Write):
    """Relative, absolute, of a module, of a name, nested, in a function: all plugin source that can be reached."""
    write(
        {
            "pack/__init__.py": "from . import first\n",
            "pack/first.py": "from .second import thing\nfrom . import sub\n",
            "pack/second.py": "import pack.third\nthing = 1\n",
            "pack/third.py": "def late():\n    import beside\n    return beside\n",
            "pack/sub/__init__.py": "from ..fourth import *\n",
            "pack/sub/inner.py": "x = 1\n",
            "pack/fourth.py": "from pack.sub.inner import x\n",
            "pack/unused.py": "x = 1\n",
            "beside.py": "import json, torch, numpy.linalg\nfrom ticketbench import Scorer\n",
            "unused_beside.py": "x = 1\n",
        }
    )
    inside = {"pack.first", "pack.second", "pack.third", "pack.sub", "pack.sub.inner", "pack.fourth"}
    assert set(closure("pack", ())) == {"pack", "beside", *inside}


def test_a_module_alone_does_not_bring_its_package(write: Write):
    """What the package's other files import does not matter to a scorer that does not use them."""
    write({"parted/__init__.py": "from . import a, b\n", "parted/a.py": "x = 1\n", "parted/b.py": "x = 2\n"})
    assert set(closure("parted.a", ())) == {"parted.a"}


def test_importing_in_a_circle_ends(write: Write):
    """Each module once."""
    write({"round_a.py": "import round_b\n", "round_b.py": "import round_a\n"})
    assert set(closure("round_a", ())) == {"round_a", "round_b"}


def test_installed_libraries_are_not_followed_and_plugins_are(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Below site-packages, an import is followed into a package only if that is the plugin's own or another plugin."""
    write(
        {
            "site/mine/__init__.py": "import mine.part, library, other_plugin\n",
            "site/mine/part.py": "x = 1\n",
            "site/library.py": "x = 1\n",
            "site/other_plugin.py": "x = 1\n",
        }
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(module_under_test, "LIBRARIES", (*module_under_test.LIBRARIES, tmp_path / "site"))
    assert set(closure("mine", ("mine", "other_plugin"))) == {"mine", "mine.part", "other_plugin"}


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_libraries_of_the_environment_beneath_are_not_followed(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
):
    """An environment may see what is installed elsewhere: that is no working tree, and torch is long to read."""
    write({"my_plugin.py": "import heavy\n", f"lib/{folder}/heavy.py": "x = 1\n"})
    monkeypatch.syspath_prepend(tmp_path / "lib" / folder)
    assert set(closure("my_plugin", ())) == {"my_plugin"}


def test_an_installed_plugin_of_several_modules_is_followed_into_all_of_them(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A helper module that the plugin's own distribution installs beside it counts as its source."""
    write(
        {
            "site/lonely_plugin.py": "import lonely_helper, somebody_elses\n",
            "site/lonely_helper.py": "x = 1\n",
            "site/somebody_elses.py": "x = 1\n",
            "site/lonely-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: lonely\nVersion: 1.0\n",
            "site/lonely-1.0.dist-info/RECORD": "lonely_plugin.py,,\nlonely_helper.py,,\n",
        }
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(module_under_test, "LIBRARIES", (*module_under_test.LIBRARIES, tmp_path / "site"))
    assert set(closure("lonely_plugin", ("lonely_plugin",))) == {"lonely_plugin", "lonely_helper"}


def test_following_imports_runs_nothing(write: Write):
    """What a plugin imports only now and then is read, not executed."""
    write(
        {
            "careful.py": "try:\n    from explosive import inner\nexcept Exception:\n    pass\n",
            "explosive/__init__.py": "raise RuntimeError('imported')\n",
            "explosive/inner.py": "x = 1\n",
        }
    )
    assert set(closure("careful", ())) == {"careful", "explosive", "explosive.inner"}
    assert "explosive" not in sys.modules


def test_imports_for_types_are_not_followed(write: Write):
    """What is imported under `if TYPE_CHECKING` is never loaded; its `else` is."""
    write(
        {
            "typed.py": (
                "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    import for_types\nelse:\n    import for_running\n"
            ),
            "for_types.py": "x = 1\n",
            "for_running.py": "x = 1\n",
        }
    )
    assert set(closure("typed", ())) == {"typed", "for_running"}


def test_a_reference_that_another_module_reads_counts(write: Write):
    """Nobody reads `Mine.reference`, and it is no part of the fingerprint; with a helper that does, it is."""
    plugin = "import helper\n\nclass Mine:\n    reference = 'a paper'\n"
    write({"told.py": plugin, "helper.py": "x = 1\n", "asked.py": plugin.replace("helper", "asker")})
    write({"asker.py": "def of(item):\n    return item.reference\n"})
    assert "a paper" not in "".join(closure("told", ()).values())
    assert "a paper" in closure("asked", ())["asked"]


def test_source_for_another_python_is_taken_as_it_is(write: Write):
    """A file that this Python cannot parse counts, and cannot stop a plan."""
    write({"modern.py": "try:\n    import future\nexcept SyntaxError:\n    pass\n", "future.py": "def ]\n"})
    assert closure("modern", ())["future"] == "def ]\n"


def test_the_core_is_never_part_of_a_fingerprint(plugins):
    """The engine counts by its version; a change to the command line must not throw results away."""
    packages = ("ticketbench_scorers", "ticketbench_methods")
    for entry in (*plugins.items["scorer"].values(), *plugins.items["method"].values()):
        names = set(closure(type(entry.item).__module__, packages))
        assert type(entry.item).__module__ in names
        assert not any(name == "ticketbench" or name.startswith("ticketbench.") for name in names)


def test_another_scorer_of_the_same_package_does_not_count(plugins):
    """A new file beside `snip.py` must not change the keys of snip's cells."""
    assert set(closure("ticketbench_scorers.snip", ("ticketbench_scorers",))) == {"ticketbench_scorers.snip"}
    snip, magnitude = (plugins.find("scorer", name) for name in ("snip", "magnitude"))
    assert fingerprint(snip) != fingerprint(magnitude)


def test_options_are_not_part_of_a_fingerprint(plugins):
    """The cell's key has them apart, so that two options of one scorer share a fingerprint."""
    prototype = plugins.find("model", "mlp")
    assert fingerprint(prototype) == fingerprint(type(prototype)(hidden=(5,)))
