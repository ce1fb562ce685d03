"""Completion in shells, asked as a shell asks: a process, with what stands on the line in its environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest
from command_line import command
from places import STRANGER

from ticketbench.plugin.hookspecs import OFFERS
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import read_suite

Asked = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> dict[str, str]:
    """An environment with a cache folder of its own."""
    return {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture
def asked(ticketbench, cache) -> Asked:
    """What bash is offered behind a line; nothing is said beside it."""

    def asked(line: str) -> list[str]:
        words = len(line.split()) - (not line.endswith(" "))
        env = {**cache, "_TICKETBENCH_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(words)}
        done = ticketbench(env=env)
        assert done.stderr == ""
        offers = [offer.partition(",")[::2] for offer in done.stdout.splitlines() if offer]
        assert {kind for kind, _ in offers} <= {"plain", "file", "dir"}
        return [name if kind == "plain" else kind for kind, name in offers]

    return asked


def test_names_of_what_is_registered(asked: Asked, plugins: Plugins, cache):
    """Suites where a suite stands, all kinds and their names; found once, and then remembered."""
    suites = sorted(plugins.items["suite"])
    assert asked("ticketbench run ") == asked("ticketbench plan drn --suite ") == suites
    assert asked("ticketbench run tiny/") == ["file"]
    assert asked("ticketbench list ") == [f"{kind}s" for kind in OFFERS]
    assert asked("ticketbench show scorers sn") == [
        name for name in sorted(plugins.items["scorer"]) if name[:2] == "sn"
    ]
    code = "import sys; from ticketbench.cli.known_names import known_names as k; k(); print('torch' in sys.modules)"
    command_line = [command()[0], "-c", code]
    done = subprocess.run(command_line, env={**os.environ, **cache}, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_names_that_a_suite_has(asked: Asked, plugins: Plugins):
    """Tiers, rows, and the tasks and models of its blocks, whichever way the suite is named; behind a comma another."""
    suite = read_suite(plugins.find("suite", "lth"))
    assert asked("ticketbench run lth --tier ") == asked("ticketbench report --suite lth --tier ") == [*suite.tiers]
    rows = asked("ticketbench run lth --method ")
    assert rows[: len(suite.methods)] == [*suite.methods]
    assert set(rows) == {*suite.methods, *plugins.items["method"], *plugins.items["scorer"]} - {"fisher", "halfway"}
    assert asked("ticketbench run lth --method imp,imp_l") == [f"imp,{row}" for row in suite.methods if "imp_l" in row]
    assert asked("ticketbench run lth --tier smoke --model ") == ["mlp", "lenet5"]
    assert asked("ticketbench run lth --device c") == ["cpu", "cuda"] or "cuda:0" in asked("ticketbench run --device c")


def test_a_plugin_file_counts_and_a_broken_one_is_passed_over(asked: Asked, tmp_path):
    """Its names are offered; nothing is printed, whatever goes wrong."""
    (tmp_path / "bad.py").write_text("import sys\nprint('noise')\nprint('noise', file=sys.stderr)\n1 / 0\n")
    assert asked(f"ticketbench run --plugin {STRANGER} --plugin bad.py --task blo") == ["blobs"]
    assert asked("ticketbench run gone.toml --tier sm") == []
    assert asked("ticketbench rnu --x ") == asked("ticketbench ")


@pytest.mark.parametrize(("shell", "part"), [("bash", "complete -o nosort"), ("zsh", "#compdef"), ("fish", "complete")])
def test_a_shell_is_told_how_to_ask(ticketbench, shell: str, part: str):
    """What `docs/completion.md` has it read."""
    done = ticketbench(env={"_TICKETBENCH_COMPLETE": f"{shell}_source"})
    assert (done.returncode, done.stderr) == (0, "")
    assert part in done.stdout
    assert f"_TICKETBENCH_COMPLETE={shell}_complete" in done.stdout
