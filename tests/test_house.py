"""The house rules, checked by machine."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from imports import imported
from places import HELPERS, ROOT

import ticketbench
from ticketbench.plugin import hookspecs
from ticketbench.plugin.contracts import KINDS
from ticketbench.plugin.hookspecs import OFFERS
from ticketbench.plugin.loading import Plugins

CORE = Path(ticketbench.__file__).parent
CORE_FILES = sorted(CORE.rglob("*.py"))
PLUGIN_FILES = sorted((ROOT / "plugins").rglob("*.py"))
PLUGIN_TESTS = sorted((ROOT / "tests" / "plugins").rglob("*.py"))


def place(path: Path) -> str:
    """A file's name within the repository."""
    return str(path.relative_to(CORE if path.is_relative_to(CORE) else ROOT))


def test_the_rules_have_something_to_hold_on_to():
    """The folders that the other tests look through are where they think."""
    assert len(CORE_FILES) > 30
    assert len(PLUGIN_FILES) > 20
    assert len(PLUGIN_TESTS) > 80
    assert {"stepwise.py", "recurrences.py"} < {path.name for path in helpers_of(PLUGIN_TESTS)}


@pytest.mark.parametrize("path", CORE_FILES, ids=place)
def test_the_core_imports_no_plugin(path: Path):
    """Nothing under ticketbench/ names a package of plugins in an import."""
    assert [module for module, _ in imported(path) if module.startswith("ticketbench_")] == []


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=place)
def test_plugins_import_public_names_alone(path: Path):
    """From ticketbench only what `ticketbench.__all__` has; from other plugin packages nothing."""
    own = path.relative_to(ROOT / "plugins").parts[0]
    for module, name in imported(path):
        if module.split(".")[0] == "ticketbench":
            assert module == "ticketbench", f"{module} is not public"
            assert name in ticketbench.__all__, f"{name} is not public"
        elif module.startswith("ticketbench_"):
            assert module.split(".")[0] == own, f"{module} is another plugin package"


def helpers_of(paths: Sequence[Path]) -> list[Path]:
    """The helpers of tests that these files import, and those that the helpers import."""
    found: set[Path] = set()
    waiting = list(paths)
    while waiting:
        names = {module for module, _ in imported(waiting.pop())}
        more = {HELPERS / f"{name}.py" for name in names if (HELPERS / f"{name}.py").is_file()} - found
        found |= more
        waiting += more
    return sorted(found)


@pytest.mark.parametrize("path", [*PLUGIN_TESTS, *helpers_of(PLUGIN_TESTS)], ids=place)
def test_tests_of_plugins_reach_into_no_engine(path: Path):
    """They use `ticketbench.testing`, as strangers do: no import of the engine, and no bench behind a trial."""
    assert [module for module, _ in imported(path) if f"{module}.".startswith("ticketbench.engine.")] == []
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    assert [node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr == "_bench"] == []


@pytest.mark.parametrize("path", [*CORE_FILES, *PLUGIN_FILES], ids=place)
def test_files_say_what_they_are(path: Path):
    """The first line begins a docstring: one concept a file, and its name is the file's."""
    text = path.read_text(encoding="utf-8")
    assert path.name == "__main__.py" or ast.get_docstring(ast.parse(text))


def test_the_core_names_nothing_that_plugins_offer(plugins: Plugins):
    """No text in the core is the name of a built-in method, model, task, scorer, protocol, probe or suite."""
    names = {
        name
        for kind in ("method", "model", "task", "scorer", "protocol", "probe", "suite")
        for name, entry in plugins.items[kind].items()
        if entry.origin.built_in
    }
    assert {"dense", "mlp", "prefix_sums", "snip", "drn"} <= names
    found = [
        f"{place(path)}:{node.lineno}: {node.value!r}"
        for path in CORE_FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names
    ]
    assert found == []


def test_every_hook_is_documented_and_specified():
    """A function of hookspecs.py whose name begins with ticketbench_ is a hook with a docstring and typed."""
    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("ticketbench_")}
    assert set(OFFERS.values()) < set(hooks)
    for name, hook in hooks.items():
        assert hasattr(hook, "ticketbench_spec"), f"{name} lacks @hookspec"
        assert inspect.getdoc(hook), f"{name} lacks a docstring"
        signature = inspect.signature(hook)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(part.annotation is not inspect.Parameter.empty for part in signature.parameters.values())


def test_every_contract_is_documented():
    """The class, and every method that a plugin's author may write."""
    assert set(KINDS) == set(OFFERS) - {"suite"}
    for contract in KINDS.values():
        assert inspect.getdoc(contract)
        for name, part in vars(contract).items():
            if inspect.isfunction(part):
                assert part.__doc__, f"{contract.__name__}.{name} lacks a docstring"


def test_everything_built_in_is_documented(plugins: Plugins):
    """A docstring of its own, a summary of one line, and a reference."""
    for kind, items in plugins.items.items():
        for entry in items.values():
            if kind == "suite" or not entry.origin.built_in:
                continue
            assert type(entry.item).__doc__, f"{kind} {entry.name}"
            assert not type(entry.item).__doc__.startswith(f"{type(entry.item).__name__}("), "the dataclass's own"
            assert entry.item.summary
            assert "\n" not in entry.item.summary
            assert entry.item.reference, f"{kind} {entry.name}"


def test_public_names_are_there_and_importing_them_is_light():
    """`import ticketbench` brings neither torch nor any other library; every public name can be had."""
    code = "import sys, ticketbench; print(*(name for name in ('torch', 'numpy', 'click') if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert all(getattr(ticketbench, name) is not None for name in ticketbench.__all__)
    assert set(dir(ticketbench)) == set(ticketbench.__all__)
    with pytest.raises(AttributeError, match="module 'ticketbench' has no attribute 'Scorers'"):
        _ = ticketbench.Scorers


def public_names(path: Path) -> Iterator[str]:
    """The classes, functions and values that a file defines at its top, without those that are its own affair."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_no_public_name_of_the_core_is_defined_twice():
    """One word, one thing. Samples are apart: they are what strangers begin with."""
    homes: dict[str, list[str]] = {}
    for path in CORE_FILES:
        if "samples" not in path.parts:
            for name in set(public_names(path)):
                homes.setdefault(name, []).append(place(path))
    assert len(homes) > 500
    assert {name: files for name, files in homes.items() if len(files) > 1 and not name.startswith("_")} == {}
