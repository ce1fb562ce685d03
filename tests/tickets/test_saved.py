"""Probes on saved networks: what they find is what they found in the run that saved them."""

from __future__ import annotations

import json
import re

import pytest

from ticketbench.cli import main
from ticketbench.engine.execute import execute
from ticketbench.errors import OptionError, TicketError
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.suite.suite import read_suite
from ticketbench.tickets.origin import load_ticket
from ticketbench.tickets.saved import look, probe_of

PROBES = 'recipe = "plain"\nprobes = ["gradient_flow", "distance"]'


@pytest.fixture
def saved(tiny_suite, plugins, tmp_path):
    """The record of a one-shot cell whose ticket and solution were kept, and both files."""
    suite = read_suite(tiny_suite(('["dense", "magnitude"]', '["magnitude"]'), ('recipe = "plain"', PROBES)))
    cells = make_plan(suite, "smoke", plugins).cells[:1]
    (record,) = execute(cells, Resolver(plugins), suite.headline, keep_in=tmp_path / "kept")
    paths = sorted(map(str, (tmp_path / "kept").iterdir()))
    assert [re.search(r"\.(\w+)\.safetensors$", path).group(1) for path in paths] == ["solution", "ticket"]
    return record, paths


def found_at(record, moment):
    return {(probe, name): value for probe, at, name, value in record.probes if at == moment}


@pytest.mark.parametrize(("at", "moment"), [(0, "trained"), (1, "drawn")])
def test_a_saved_network_looks_as_it_did(saved, plugins, at: int, moment: str):
    """The same examples, the same numbers; the solution's distance is from the ticket beside it."""
    record, paths = saved
    resolver = Resolver(plugins)
    probes = [probe_of("gradient_flow", resolver), probe_of("distance", resolver)]
    seen = look(paths[at], {path: load_ticket(path) for path in paths}, probes, resolver)
    expected = found_at(record, moment)
    assert {(one.probe, one.name): one.found for one in seen if (one.probe, one.name) in expected} == pytest.approx(
        expected, rel=1e-6
    )
    assert expected["gradient_flow", "total"] > 0


def test_the_others_are_companions(saved, plugins):
    """From the ticket to the solution: as far as the solution has moved, over 29 points."""
    record, paths = saved
    resolver = Resolver(plugins)
    probes = [probe_of("solution_distances", resolver), probe_of('interpolation {"points": 3}', resolver)]
    seen = {one.name: one for one in look(paths[0], {path: load_ticket(path) for path in paths}, probes, resolver)}
    moved = found_at(record, "trained")["distance", "l2"]
    assert seen[f"{paths[1]} | end"].found == pytest.approx(moved, rel=1e-6)
    points = seen[f"loss from {paths[1]}"].to_plain()
    assert points["x_name"] == "alpha"
    assert [x for x, _ in points["points"]] == pytest.approx([-0.2, 0.0, 0.5, 1.0, 1.2])


def test_wrong_probes_say_what_would_work(plugins):
    """A misspelt name, options that are no JSON, an option that there is not."""
    resolver = Resolver(plugins)
    with pytest.raises(OptionError, match="options are written as JSON, such as"):
        probe_of("distance every=5", resolver)
    with pytest.raises(Exception, match="Did you mean 'distance'"):
        probe_of("distanc", resolver)
    with pytest.raises(OptionError, match="evry"):
        probe_of('distance {"evry": 5}', resolver)


def test_the_judged_examples_are_not_there(saved, plugins):
    """A probe of the moment "judged" has nothing to look at, and says so."""
    _, paths = saved
    resolver = Resolver(plugins)
    tickets = {path: load_ticket(path) for path in paths}
    tickets["lottery 1 end"] = tickets.pop(paths[1])
    with pytest.raises(TicketError, match="at the moment 'judged' only"):
        look(paths[0], tickets, [probe_of("agreement", resolver)], resolver)


def test_the_command_prints_them(saved, capsys, monkeypatch):
    """As lines, and as JSON."""
    from places import STRANGER

    _, paths = saved
    command = ["ticketbench", "ticket", "probe", *paths, "--probe", "gradient_flow", "--plugin", str(STRANGER)]
    outputs = []
    for more in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", command + more)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (0, None)
        outputs.append(capsys.readouterr().out)
    assert "  gradient_flow  total  " in outputs[0]
    assert {one["name"] for one in json.loads(outputs[1])[paths[0]]} == {"total", "dense", "norm", "dense_norm"}
