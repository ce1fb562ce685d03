"""The command line: fast help, outputs for people and for programs, and exit statuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from places import STRANGER

import ticketbench as package
from ticketbench.cli import COMMANDS, main
from ticketbench.cli.common import finite
from ticketbench.plugin.hookspecs import OFFERS
from ticketbench.plugin.loading import Plugins
from ticketbench.render.numbers import amount, duration
from ticketbench.sparse.library import missing
from ticketbench.store.environment import environment_of
from ticketbench.store.schema import CellRecord
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite


class Said(NamedTuple):
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, for a program."""
        return json.loads(self.out)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line in this process, in an empty folder, as a user in a pipe would see it."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["ticketbench", *map(str, words)])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Said(status, *capsys.readouterr())

    return call


# -- help --------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_loads_little():
    """As a process: what takes long to import is not there. `make bench` measures the time."""
    watched = """
import sys
from ticketbench.cli import main
sys.argv[1:] = ["--help"]
try:
    main()
finally:
    print(len(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True, check=False)
    assert all(name in done.stdout for name in COMMANDS)
    assert int(done.stdout.split()[-1]) < 400  # 273 when this was written; torch alone brings 1,500


def test_every_help_works_without_torch():
    """`--help` of the program and of each command loads neither torch nor a plugin, and cannot be broken by one."""
    code = f"""
import sys
from ticketbench.cli import main
for command in [[], *([name] for name in {COMMANDS!r})]:
    sys.argv = ["ticketbench", *command, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
heavy = [name for name in sys.modules if name in ("torch", "pyarrow") or name.startswith("ticketbench_")]
print("heavy:", heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert done.stdout.count("Usage:") == len(COMMANDS) + 1
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(call, name: str):
    """A command, and each of its options, says what it is for."""
    from importlib import import_module

    found = getattr(import_module(f"ticketbench.cli.{name}"), f"{name}_command")
    assert found.help
    for parameter in found.params:
        assert parameter.param_type_name == "argument" or parameter.help, f"{name} --{parameter.name}"
    assert call(name, "-h").status == 0


def test_the_version(call):
    """The package's own, in full or briefly."""
    said = call("--version")
    assert (said.status, said.out) == (0, f"ticketbench, version {package.__version__}\n")
    assert call("-V") == said


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["rnu"], ["there is no command 'rnu'", "Did you mean 'run'?"]),
        (
            ["run"],
            ["no suite is named: write `ticketbench run SUITE`", "one of drn, gradflow, init, lth, rnn, or a TOML"],
        ),
        (
            ["ticket", "draw", "--method", "snip", "--out", "x"],
            ["no suite is named: write `ticketbench ticket draw SUITE`"],
        ),
        (["plan", "drn", "--suite", "lth"], ["two suites are named: drn and --suite lth. Leave one of them out."]),
        (["run", "--suite", "drn", "--speed", "9"], ["No such option", "--speed"]),
        (["plan", "--suite", "drn", "--seeds", "many"], ["--seeds", "'many' is not a valid integer"]),
        (["plan", "--suite", "drn", "--density", "half"], ["--density", "'half' is not a valid float"]),
        (["plan", "--suite", "drn", "--workers", "0"], ["--workers", "0 is not in the range x>=1"]),
        (["run", "--suite", "drn", "--timeout", "0"], ["--timeout", "0"]),
        (["run", "--suite", "drn", "--retry", "ok"], ["--retry", "'ok' is not one of", "failed"]),
    ],
)
def test_a_wrong_use_is_a_message_and_status_2(call, words: list[str], parts: list[str]):
    """What was wrong, on standard error; nothing on standard output."""
    said = call(*words)
    assert said.status == 2
    assert said.out == ""
    text = " ".join(said.err.replace("│", " ").split())
    assert [part for part in parts if part not in text] == []


# -- list, show, plugins -----------------------------------------------------------------------------------


def test_list_names_everything(call, plugins: Plugins):
    """All kinds, each thing with its summary; a stranger's with its origin."""
    said = call("list", "--plugin", STRANGER)
    assert (said.status, said.err) == (0, "")
    headings = [line for line in said.out.splitlines() if not line.startswith(" ")]
    assert headings == [f"{kind}s" for kind in OFFERS]
    lines = {line.split()[0]: line for line in said.out.splitlines() if line.startswith(" ")}
    assert set(lines) == {name for items in plugins.items.values() for name in items}
    assert plugins.find("scorer", "snip").summary in lines["snip"]
    assert "[" not in lines["snip"]
    assert lines["fisher"].endswith("  [(file)]")


def test_list_for_a_program(call, plugins: Plugins):
    """One kind, singular or plural; a row a thing."""
    said = call("list", "scorers", "--json", "--plugin", STRANGER)
    assert said.json == call("list", "scorer", "--json", "--plugin", STRANGER).json
    rows = {row["name"]: row for row in said.json}
    assert set(rows) == set(plugins.items["scorer"])
    assert rows["snip"] == {
        "kind": "scorer",
        "name": "snip",
        "summary": plugins.find("scorer", "snip").summary,
        "plugin": "scorers",
        "distribution": "ticketbench",
        "version": package.__version__,
    }
    assert rows["fisher"]["distribution"] == "(file)"


def test_a_suite_that_cannot_be_read_is_listed_as_broken(call, tmp_path: Path):
    """The others are listed as ever."""
    (tmp_path / "bad.toml").write_text("schema = ")
    (tmp_path / "offers.py").write_text(
        "from pathlib import Path\nfrom ticketbench import hookimpl\n"
        "@hookimpl\ndef ticketbench_suites():\n    return [Path(__file__).parent / 'bad.toml']\n"
    )
    said = call("list", "suites", "--json", "--plugin", tmp_path / "offers.py")
    rows = {row["name"]: row["summary"] for row in said.json}
    assert rows["bad"].startswith(f"broken: {tmp_path / 'bad.toml'} is not valid TOML")
    assert rows["drn"].endswith("(tiers: smoke, small, hour, paper, wide)")


def test_show_a_method(call):
    """Formula, reference, origin, and each option with its default, type and help."""
    said = call("show", "method", "imp")
    assert said.status == 0
    for part in (
        "method imp\n",
        "summary: train, prune the smallest weights, rewind, repeat",
        "reference: Frankle and Carbin 2019 (arXiv 1803.03635)",
        "origin: plugin 'methods' of ticketbench",
        "Level k keeps (1 − fraction)^k of all weights",
        "  fraction = 0.2  (float, at least 0.001, at most 0.999)  fraction of the remaining weights pruned a level\n",
        "  rewind = 'start'  ('start' or 'step' or 'none')  where the weights go back to\n",
    ):
        assert part in said.out


@pytest.mark.parametrize("kind", OFFERS)
def test_show_everything_for_a_program(call, plugins: Plugins, kind: str):
    """Whatever is registered can be shown, with the same keys."""
    for name in plugins.items[kind]:
        facts = call("show", kind, name, "--json", "--plugin", STRANGER).json
        assert set(facts) == {"kind", "name", "summary", "reference", "origin", "options", "text"}
        assert (facts["kind"], facts["name"]) == (kind, name)
        assert all({"name", "default", "takes", "help"} == set(option) for option in facts["options"])


def test_show_a_suite(call):
    """Its title, its tiers, its rows and its file."""
    said = call("show", "suite", "drn")
    assert "Lottery initialization of deep recurrent networks" in said.out
    assert re.search(r"^tier smoke: .+$", said.out, re.MULTILINE)
    assert re.search(r"^rows: dense, random, ", said.out, re.MULTILINE)
    assert re.search(r"^file: .*drn\.toml$", said.out, re.MULTILINE)


def test_plugins(call, tmp_path: Path):
    """A line for what a plugin is and one for what it offers; a broken one is named, and the status is 1."""
    sound = call("plugins", "--plugin", STRANGER, "--no-plugin", "probes")
    assert sound.status == 0
    assert f"ticketbench_stranger ((file), {STRANGER}): ok\n" in sound.out
    assert "  scorer fisher, method halfway, task blobs\n" in sound.out
    assert f"scorers (ticketbench {package.__version__}, ticketbench_scorers): ok\n" in sound.out
    assert "probes: blocked\n" in sound.out
    (tmp_path / "bad.py").write_text("1 / 0\n")
    broken = call("plugins", "--json", "--plugin", tmp_path / "bad.py")
    assert broken.status == 1
    assert [(row["plugin"], row["state"]) for row in broken.json if row["state"] != "ok"] == [("bad", "broken")]
    assert broken.json[-1]["detail"].startswith("ZeroDivisionError: division by zero (at ")


# -- plan --------------------------------------------------------------------------------------------------


def test_plan_for_a_person(call, tiny_suite):
    """The tier and why, the axes, the fleets, and what it will cost."""
    words = ("--plugin", STRANGER, "--device", "cpu", "--workers", "2")
    said = call("plan", tiny_suite(), *words)
    assert (said.status, said.err) == (0, "")
    assert call("plan", "--suite", tiny_suite(), *words).out.splitlines()[:-1] == said.out.splitlines()[:-1]
    lines = said.out.splitlines()
    assert lines[0] == "suite tiny 1, tier smoke (the first this suite has): seconds"
    assert "  row      dense (2), magnitude (2)" in lines
    assert "  density  1.0 (2), 0.5 (2)" in lines
    assert "4 cells, 0 already in ./results" in lines
    assert "2 fleets of 2 cells on 2 worker(s): cpu, fp32" in lines
    assert re.fullmatch(
        r"estimate: \d+ kFLOP, [\d.]+ kB for the largest fleet, about [\d.]+ s \(from a first guess\) on this CPU, "
        r"measured",
        lines[-1],
    )


def test_plan_for_a_program(call, tiny_suite, cells_of, tmp_path: Path):
    """Cells with their keys, the fleets made of them, and the estimate; and planning writes nothing."""
    path = tiny_suite()
    before = sorted(tmp_path.rglob("*"))
    words = ("--suite", path, "--plugin", STRANGER, "--device", "cpu", "--json")
    plan = call("plan", *words, "--workers", "1", "--fleet", "1").json
    _, cells = cells_of(path)
    assert (plan["suite"], plan["version"], plan["tier"], plan["devices"]) == ("tiny", 1, "smoke", ["cpu"])
    assert [cell["key"] for cell in plan["cells"]] == [cell.key for cell in cells]
    assert [(cell["row"], cell["seed"], cell["finished"]) for cell in plan["cells"]] == [
        ("dense", 0, False),
        ("dense", 1, False),
        ("magnitude", 0, False),
        ("magnitude", 1, False),
    ]
    assert sorted(key for fleet in plan["fleets"] for key in fleet["cells"]) == sorted(cell.key for cell in cells)
    assert plan["estimate"]["flops"] == 4 * (3 * 144 * 20 * 20 + 144 * 30)
    assert plan["estimate"]["seconds"] > 5
    assert (plan["estimate"]["basis"], plan["estimate"]["computed_for"]) == (
        "from a first guess",
        "this CPU, measured",
    )
    dry = call("run", "--dry-run", *words, "--workers", "1", "--fleet", "1").json
    assert (dry["cells"], dry["fleets"]) == (plan["cells"], plan["fleets"])
    assert sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts) == before


def test_a_plan_for_a_card(call, tiny_suite):
    """One that need not be here: its name, where its rates are from, and cells with keys of its kind of device."""
    words = ("plan", "--suite", tiny_suite(), "--plugin", STRANGER, "--card", "l4")
    said = call(*words)
    assert (said.status, said.err) == (0, "")
    assert "1 fleets of 4 cells on 1 worker(s): cuda:0" in said.out
    assert "(from a first guess) on one l4 that need not be here, rates from the table" in said.out
    plan = call(*words, "--json").json
    assert plan["estimate"]["computed_for"] == "one l4 that need not be here, rates from the table"
    assert {cell["key"] for cell in plan["cells"]}.isdisjoint(
        cell["key"] for cell in call(*words[:-2], "--device", "cpu", "--json").json["cells"]
    )


def test_a_store_that_has_cells(call, tiny_suite, cells_of, records_of, plugins: Plugins, tmp_path: Path):
    """`plan` says what is finished, and `show cell` shows a record by the beginning of its key."""
    path = tiny_suite()
    records = records_of(path, seeds=1)
    Store(tmp_path / "results", create=True).add(
        [CellRecord.from_dict(one) for one in records], environment_of(plugins)
    )
    words = ("plan", "--suite", path, "--plugin", STRANGER, "--device", "cpu")
    plan = call(*words, "--json").json
    assert [cell["finished"] for cell in plan["cells"]] == [True, False, True, False]
    assert {key for fleet in plan["fleets"] for key in fleet["cells"]} == {
        cell["key"] for cell in plan["cells"] if not cell["finished"]
    }
    assert "2 cells, 2 already in ./results" in call(*words, "--seeds", "1").out
    assert call(*words, "--seeds", "1", "--json").json["fleets"] == []

    key = records[1]["key"]
    shown = call("show", "cell", key[:12], "--json").json
    assert (shown["key"], shown["row"], shown["kept"]) == (key, "magnitude", 36)
    text = call("show", "cell", key[:12]).out
    assert re.search(rf"^key +{key}$", text, re.MULTILINE)
    assert "\ndefinition:\nticketbench cell 1, engine" in text
    none = call("show", "cell", "zzz")
    assert none.status == 2
    assert none.err == ("ticketbench: error: no cell begins with 'zzz' in the store ./results, which has 2 cells\n")
    both = call("show", "cell", "")
    assert (both.status, both.err.split(" in the store")[0]) == (2, "ticketbench: error: 2 cells begin with ''")


# -- doctor ------------------------------------------------------------------------------------------------


def test_doctor(call, plugins: Plugins):
    """Versions, the processor, stacking, plugins, every suite, the store and the disk, each with a finding."""
    said = call("doctor", "--json")
    findings = {row["check"]: row for row in said.json}
    assert said.status == (0 if all(row["ok"] for row in said.json) else 1)
    assert {"ticketbench", "python", "torch", "processor", "gpu", "plugins", "store", "disk"} <= set(findings)
    assert findings["stacked training on cpu"]["ok"]
    assert ("compiled, computes by " in findings["sparse engine"]["finding"]) == (not missing())
    assert findings["store"]["finding"] == "./results: 0 finished cells"
    for name, entry in plugins.items["suite"].items():
        assert findings[f"suite {name}"]["ok"]
        assert all(f"{tier} " in findings[f"suite {name}"]["finding"] for tier in read_suite(entry.item).tiers)


def test_doctor_finds_what_is_wrong(call, tmp_path: Path):
    """A broken plugin, a broken suite and a file for a store, all at once, and status 1."""
    (tmp_path / "bad.py").write_text("1 / 0\n")
    (tmp_path / "old.toml").write_text("schema = 9\n")
    (tmp_path / "offers.py").write_text(
        "from pathlib import Path\nfrom ticketbench import hookimpl\n"
        "@hookimpl\ndef ticketbench_suites():\n    return [Path(__file__).parent / 'old.toml']\n"
    )
    (tmp_path / "file").write_text("x")
    said = call("doctor", "--plugin", "bad.py", "--plugin", "offers.py", "--store", "file")
    assert said.status == 1
    wrong = [line for line in said.out.splitlines() if line.startswith("look")]
    assert [line.split(":")[0] for line in wrong] == ["look plugin", "look suite old", "look store"]
    assert "ZeroDivisionError: division by zero" in wrong[0]
    assert "is written for suite schema 9" in wrong[1]
    assert "is a file, not a store" in wrong[2]


# -- small things ------------------------------------------------------------------------------------------


def test_times_and_amounts_as_a_person_says_them():
    """Two or three digits, and a unit."""
    assert [duration(value) for value in (0.26, 12, 89, 90, 7200, 300_000)] == [
        "0.3 s",
        "12 s",
        "89 s",
        "1.5 min",
        "2.0 h",
        "3.5 days",
    ]
    assert [amount(value, "B") for value in (0, 999, 1234, 5.6e9, 7e18)] == [
        "0 B",
        "999 B",
        "1.23 kB",
        "5.6 GB",
        "7 EB",
    ]
    assert amount(1500) == "1.5 k"


def test_json_has_no_number_that_is_not_one():
    """NaN and infinities, anywhere, become null."""
    assert finite({"a": [float("nan"), 1.5], "b": (float("-inf"), {"c": "nan"})}) == {
        "a": [None, 1.5],
        "b": [None, {"c": "nan"}],
    }
