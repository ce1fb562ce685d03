"""Plugins: found, checked one by one, set aside when broken, and known by where they came from."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ticketbench.errors import PluginError, UnknownNameError
from ticketbench.plugin.loading import ALLOW_VARIABLE, Broken, Plugins, describe_items, load_plugins

SCORER = """
from dataclasses import dataclass
from ticketbench import Scorer, hookimpl

@dataclass(frozen=True)
class Plain(Scorer):
    name = "{name}"
    summary = "for a test"

    def score(self, trial):
        return trial.weights

@hookimpl
def ticketbench_scorers():
    return [Plain()]
"""

Install = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions on the path, gone with its modules after the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Install a distribution of one module, with the metadata that pip leaves."""

    def install(module: str, code: str, distribution: str = "", entry: str = "", version: str = "1.0") -> str:
        distribution = distribution or f"dist-{module}"
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ticketbench]\n{entry or module} = {module}\n")
        return module

    return install


def only_broken(plugins: Plugins) -> Broken:
    """The one broken plugin, after a look that the built-in things are all there."""
    assert {"snip", "magnitude", "random"} <= set(plugins.items["scorer"])
    assert "drn" in plugins.items["suite"]
    assert len(plugins.broken) == 1, plugins.broken
    return plugins.broken[0]


# -- a plugin that cannot be loaded ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("def broken(:", "SyntaxError: invalid syntax"),
    ],
    ids=["raises", "exits", "imports nothing", "is no Python"],
)
def test_a_plugin_that_fails_at_import_is_set_aside(install: Install, code: str, said: str):
    """Its exception is reported with its distribution, and everything else loads."""
    install("fails_at_import", code, version="0.3")
    broken = only_broken(load_plugins())
    assert broken.reason.startswith(said)
    assert str(broken.origin) == "plugin 'fails_at_import' of dist-fails_at_import 0.3 (fails_at_import)"


def test_a_failure_at_import_names_the_line(install: Install, site: Path):
    """The author reads the file and the line that raised."""
    install("raises_below", "x = 1\n\nraise ValueError('here')\n")
    assert only_broken(load_plugins()).reason == f"ValueError: here (at {site / 'raises_below.py'}:3)"


def test_the_command_line_outlives_a_broken_plugin(install: Install, site: Path, ticketbench):
    """`list` works and warns; `plugins` shows the error and exits with 1."""
    install("exits", "import sys; sys.exit(0)", distribution="ticketbench-exits", version="2.1")
    listed = ticketbench("list", "scorers", env={"PYTHONPATH": str(site)})
    assert listed.returncode == 0, listed.stderr
    assert "snip" in listed.stdout
    assert listed.stderr.startswith("ticketbench: warning: plugin 'exits' of ticketbench-exits 2.1 (exits)")
    assert "SystemExit: 0" in listed.stderr
    shown = ticketbench("plugins", "--json", env={"PYTHONPATH": str(site)})
    assert shown.returncode == 1
    rows = [row for row in json.loads(shown.stdout) if row["state"] == "broken"]
    assert [(row["plugin"], row["distribution"], row["version"]) for row in rows] == [
        ("exits", "ticketbench-exits", "2.1")
    ]


# -- a plugin whose hooks are wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "from ticketbench import hookimpl\n@hookimpl\ndef ticketbench_scorer():\n    return []\n",
            "there is no hook 'ticketbench_scorer'. Did you mean 'ticketbench_scorers'?",
        ),
        (
            "def ticketbench_scorers():\n    return []\n",
            "'ticketbench_scorers' is not marked with @ticketbench.hookimpl",
        ),
        (
            "def ticketbench_scorer():\n    return []\n",
            "'ticketbench_scorer' is not marked with @ticketbench.hookimpl",
        ),
        ("x = 1\n", "it implements no hook of ticketbench"),
    ],
    ids=["misspelt", "unmarked", "misspelt and unmarked", "none"],
)
def test_wrong_hooks_are_refused_by_name(install: Install, code: str, reason: str):
    """No hook is ignored in silence: a misspelt or an unmarked one sets the plugin aside and says which."""
    install("wrong_hooks", code)
    assert only_broken(load_plugins()).reason.startswith(reason)


def test_one_wrong_hook_sets_the_whole_plugin_aside(install: Install):
    """A plugin does not work by halves: its sound scorer is not offered beside a misspelt hook."""
    code = SCORER.format(name="sound") + "\n@hookimpl\ndef ticketbench_tsks():\n    return []\n"
    install("halves", code)
    plugins = load_plugins()
    assert "ticketbench_tasks" in only_broken(plugins).reason
    assert "sound" not in plugins.items["scorer"]


def test_a_hook_with_an_argument_that_there_is_not_is_refused(install: Install):
    """What pluggy refuses at registration is reported, and none of the plugin's other hooks stays behind."""
    code = SCORER.format(name="sound") + "\n@hookimpl\ndef ticketbench_tasks(colour):\n    return []\n"
    install("wrong_argument", code)
    plugins = load_plugins()
    assert "colour" in only_broken(plugins).reason
    assert "sound" not in plugins.items["scorer"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise RuntimeError('not today')", "ticketbench_scorers: RuntimeError: not today"),
        ("return None", "ticketbench_scorers: TypeError"),
    ],
)
def test_a_hook_that_fails_when_called_is_reported(install: Install, body: str, said: str):
    """The hook's name and its exception."""
    install(
        "fails_when_called", f"from ticketbench import hookimpl\n@hookimpl\ndef ticketbench_scorers():\n    {body}\n"
    )
    assert only_broken(load_plugins()).reason.startswith(said)


# -- things that are not what they should be ---------------------------------------------------------------

THING = """
from dataclasses import dataclass
from ticketbench import Scorer, hookimpl

class Base(Scorer):
    summary = "for a test"

    def score(self, trial):
        return trial.weights

@dataclass(frozen=True)
class Sound(Base):
    name = "sound"

{thing}

@hookimpl
def ticketbench_scorers():
    return [{offered}, Sound()]
"""


@pytest.mark.parametrize(
    ("thing", "offered", "reason"),
    [
        ("", "Sound", "offers the class Sound; offer an object: Sound()"),
        ("", "'snip'", "offers 'snip', which is not a ticketbench.Scorer"),
        (
            "class Thawed(Base):\n    name = 'thawed'",
            "Thawed()",
            "Thawed must be a @dataclass(frozen=True)",
        ),
        (
            "@dataclass\nclass Thawed(Base):\n    name = 'thawed'",
            "Thawed()",
            "Thawed must be a @dataclass(frozen=True)",
        ),
        ("@dataclass(frozen=True)\nclass Nameless(Base):\n    pass", "Nameless()", "Nameless has no `name` text"),
        ("@dataclass(frozen=True)\nclass Number(Base):\n    name = 7", "Number()", "Number has no `name` text"),
    ],
    ids=["a class", "another type", "no dataclass", "not frozen", "no name", "a number for a name"],
)
def test_a_malformed_thing_is_refused_and_its_neighbours_stay(install: Install, thing: str, offered: str, reason: str):
    """The report says what is wrong with it; what the same hook offers after it is still there."""
    install("malformed", THING.format(thing=thing, offered=offered))
    plugins = load_plugins()
    assert only_broken(plugins).reason.startswith(f"ticketbench_scorers: {reason}")
    assert "sound" in plugins.items["scorer"]
    assert not {"thawed", 7} & set(plugins.items["scorer"])


# -- two things of one name --------------------------------------------------------------------------------


def test_a_built_in_scorer_wins_against_a_stranger(install: Install):
    """The stranger's is refused, and the report names the built-in plugin it clashes with."""
    install("rival", SCORER.format(name="snip"), distribution="rival", version="9.9")
    plugins = load_plugins()
    broken = only_broken(plugins)
    assert plugins.registered("scorer", "snip").origin.built_in
    assert (broken.origin.distribution, broken.origin.version) == ("rival", "9.9")
    built_in = plugins.registered("scorer", "snip").origin
    assert broken.reason == f"the scorer name 'snip' is taken: {built_in}. Give yours another name."


def test_two_strangers_of_one_name_are_both_refused(install: Install):
    """Neither wins by the order of loading; each report names the other, with its version."""
    install("first", SCORER.format(name="shared"), version="1.1")
    install("second", SCORER.format(name="shared"), version="2.2")
    plugins = load_plugins()
    assert "shared" not in plugins.items["scorer"]
    assert sorted((broken.origin.plugin, broken.reason) for broken in plugins.broken) == [
        (
            "first",
            "the scorer name 'shared' is taken: plugin 'second' of dist-second 2.2 (second). Give yours another name.",
        ),
        (
            "second",
            "the scorer name 'shared' is taken: plugin 'first' of dist-first 1.1 (first). Give yours another name.",
        ),
    ]


def test_blocking_one_of_two_strangers_frees_the_name(install: Install):
    """--no-plugin decides the clash."""
    install("first", SCORER.format(name="shared"))
    install("second", SCORER.format(name="shared"))
    plugins = load_plugins(blocked=["first"])
    assert plugins.broken == []
    assert plugins.registered("scorer", "shared").origin.plugin == "second"


def test_one_name_for_two_kinds_is_no_clash(install: Install):
    """A scorer may be called like a model."""
    install("polite", SCORER.format(name="mlp"))
    plugins = load_plugins()
    assert plugins.broken == []
    assert {"scorer", "model"} <= {kind for kind, items in plugins.items.items() if "mlp" in items}


def test_two_distributions_with_one_entry_point_name_are_both_refused(install: Install):
    """Neither is skipped in silence: both are reported before either is imported."""
    install("first", "raise RuntimeError('must not be imported')", entry="same", version="1.1")
    install("second", SCORER.format(name="unheard"), entry="same", version="2.2")
    plugins = load_plugins()
    assert "unheard" not in plugins.items["scorer"]
    assert sorted(broken.reason for broken in plugins.broken) == [
        f"the plugin name 'same' is taken: plugin 'same' of {other}. Rename the entry point, or use --no-plugin."
        for other in ("dist-first 1.1 (first)", "dist-second 2.2 (second)")
    ]


def test_an_entry_point_cannot_replace_a_built_in_plugin(install: Install):
    """A stranger's `scorers` is refused, the built-in scorers stay."""
    install("usurper", SCORER.format(name="unheard"), entry="scorers")
    plugins = load_plugins()
    assert only_broken(plugins).origin.distribution == "dist-usurper"
    assert "unheard" not in plugins.items["scorer"]


# -- choosing plugins --------------------------------------------------------------------------------------


def test_a_blocked_plugin_is_not_imported(install: Install):
    """--no-plugin leaves it out without a report."""
    install("unwanted", "raise RuntimeError('must not be imported')")
    plugins = load_plugins(blocked=["unwanted"])
    assert plugins.broken == []
    assert plugins.blocked == ["unwanted"]
    assert "unwanted" not in {origin.plugin for origin in plugins.origins.values()}


def test_a_built_in_plugin_can_be_blocked(site: Path):
    """What is missing for it is then an unknown name."""
    plugins = load_plugins(blocked=["probes"])
    assert plugins.items["probe"] == {}
    with pytest.raises(UnknownNameError, match=r"unknown probe 'gradient_norm'\. None are registered\."):
        plugins.find("probe", "gradient_norm")


def test_blocking_nothing_is_a_mistake(install: Install):
    """A misspelt --no-plugin is refused with the nearest name."""
    install("unwanted", SCORER.format(name="unheard"))
    with pytest.raises(PluginError, match=r"--no-plugin 'unwantd' blocks nothing\. Did you mean 'unwanted'\?"):
        load_plugins(blocked=["unwantd"])


def test_the_allow_list_lets_in_what_it_names(install: Install, monkeypatch: pytest.MonkeyPatch):
    """TICKETBENCH_PLUGINS admits the named strangers alone, imports no other, and leaves the built-in ones."""
    install("wanted", SCORER.format(name="wanted"))
    install("unwanted", "raise RuntimeError('must not be imported')")
    monkeypatch.setenv(ALLOW_VARIABLE, "wanted, other")
    with pytest.raises(PluginError, match="TICKETBENCH_PLUGINS names 'other', which is not installed"):
        load_plugins()
    monkeypatch.setenv(ALLOW_VARIABLE, "scorers, wanted")
    plugins = load_plugins()
    assert plugins.broken == []
    assert {"wanted", "snip"} <= set(plugins.items["scorer"])


def test_an_empty_allow_list_lets_nobody_in(install: Install, monkeypatch: pytest.MonkeyPatch):
    """Set and empty is not the same as unset."""
    install("stranger_only", SCORER.format(name="unheard"))
    monkeypatch.setenv(ALLOW_VARIABLE, "")
    plugins = load_plugins()
    assert {origin.distribution for origin in plugins.origins.values()} == {"ticketbench"}


# -- plugin files ------------------------------------------------------------------------------------------


def test_a_plugin_file_is_loaded_with_the_files_beside_it(site: Path, tmp_path: Path):
    """--plugin takes a path; what lies beside the file can be imported."""
    (tmp_path / "beside_it.py").write_text("NAME = 'from_a_file'\n")
    code = "import beside_it\n" + SCORER.replace('"{name}"', "beside_it.NAME")
    (tmp_path / "mine.py").write_text(code)
    plugins = load_plugins([tmp_path / "mine.py"])
    assert plugins.broken == []
    origin = plugins.registered("scorer", "from_a_file").origin
    assert (origin.plugin, origin.distribution, origin.place) == ("mine", "(file)", str(tmp_path / "mine.py"))
    assert not origin.built_in


def test_a_missing_plugin_file_is_a_mistake(tmp_path: Path):
    """The path is named, and what --plugin takes."""
    with pytest.raises(
        PluginError, match=r"there is no plugin file at .*/gone\.py\. Give --plugin the path of a Python"
    ):
        load_plugins([tmp_path / "gone.py"])


def test_a_broken_plugin_file_is_set_aside(site: Path, tmp_path: Path):
    """As an entry point would be, and its half-made module is forgotten."""
    (tmp_path / "half.py").write_text("raise RuntimeError('half way')\n")
    broken = only_broken(load_plugins([tmp_path / "half.py"]))
    assert broken.reason.startswith("RuntimeError: half way")
    assert "ticketbench_file_half" not in sys.modules


def test_a_file_that_is_no_python_file_is_set_aside(site: Path, tmp_path: Path):
    """A suite file given to --plugin, say."""
    (tmp_path / "suite.toml").write_text("schema = 1\n")
    assert only_broken(load_plugins([tmp_path / "suite.toml"])).reason.startswith(
        f"ImportError: {tmp_path / 'suite.toml'} is not a Python file"
    )


def test_two_plugin_files_of_one_name(site: Path, tmp_path: Path):
    """The second is set aside by name, and the first keeps its module, by which its source is fingerprinted."""
    for folder, name in (("a", "first"), ("b", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(SCORER.format(name=name))
    plugins = load_plugins([tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"])
    assert "mine" in only_broken(plugins).reason
    assert set(plugins.items["scorer"]) >= {"first"}
    assert "second" not in plugins.items["scorer"]
    assert sys.modules["ticketbench_file_mine"].__file__ == str(tmp_path / "a" / "mine.py")


# -- what is said of plugins -------------------------------------------------------------------------------


def test_everything_knows_its_distribution_and_version(install: Install):
    """`ticketbench plugins` has a row a plugin: where it is from, and what it offers."""
    install("known", SCORER.format(name="known_scorer"), distribution="ticketbench-known", version="4.5.6")
    rows = {row["plugin"]: row for row in describe_items(load_plugins())}
    assert rows["known"] == {
        "plugin": "known",
        "distribution": "ticketbench-known",
        "version": "4.5.6",
        "place": "known",
        "state": "ok",
        "detail": "scorer known_scorer",
    }
    assert rows["suites"]["distribution"] == "ticketbench"
    assert rows["suites"]["place"] == "ticketbench_suites"
    assert "suite drn" in rows["suites"]["detail"].split(", ")


def test_an_observer_needs_no_thing_to_offer(install: Install):
    """A plugin that only watches is sound."""
    code = "from ticketbench import hookimpl\n@hookimpl\ndef ticketbench_cell_finished(record):\n    pass\n"
    install("watcher", code)
    plugins = load_plugins()
    assert plugins.broken == []
    assert {row["plugin"]: row["detail"] for row in describe_items(plugins)}["watcher"] == "observes"


def test_an_unknown_name_points_at_broken_plugins(install: Install):
    """What is missing may be what a broken plugin would have offered."""
    install("fails_at_import", "raise RuntimeError('no luck')")
    with pytest.raises(UnknownNameError) as caught:
        load_plugins().find("scorer", "snipp", "a test")
    assert str(caught.value).startswith("unknown scorer 'snipp' in a test. Did you mean 'snip'? Valid: ")
    assert str(caught.value).endswith("(1 broken plugin(s): see `ticketbench plugins`.)")


def test_another_process_can_load_the_same_plugins(site: Path, tmp_path: Path):
    """`recipe()` is plain data: absolute files and blocked names."""
    (tmp_path / "mine.py").write_text(SCORER.format(name="from_a_file"))
    plugins = load_plugins([tmp_path / "mine.py"], blocked=["probes"])
    recipe = json.loads(json.dumps(plugins.recipe()))
    assert recipe == {"files": [str(tmp_path / "mine.py")], "blocked": ["probes"]}
    again = load_plugins(**recipe)
    assert {kind: set(items) for kind, items in again.items.items()} == {
        kind: set(items) for kind, items in plugins.items.items()
    }
