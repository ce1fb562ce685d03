"""`run --until-decided`: looks as planned, seeds where something is open, and what a person reads at the end."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from command_line import command
from places import STRANGER
from plain_records import plain

from ticketbench.cli.deciding import check_questions, run_until_decided, with_decisions
from ticketbench.errors import OptionError
from ticketbench.plan.cell import describe
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.render.answers import answer_words
from ticketbench.results.judgement import judge
from ticketbench.results.looks import plan_of
from ticketbench.results.results import CellResult, Results
from ticketbench.run import Summary
from ticketbench.suite.suite import read_suite

QUESTION = """
[[questions]]
name = "whole"
text = "Which rows are as good as those that are never pruned?"
than = "dense"
tiers = ["smoke"]
"""
WIDE = ("seeds = [0, 1]", "seeds = [0, 1, 2, 3, 4]")
WOBBLE = (0.05, -0.06, 0.02, -0.03, 0.04, -0.01, 0.03, -0.04)


@pytest.fixture
def asking(tiny_suite):
    """A suite that asks of two densities of one row, with margins of a hundredth."""
    path = tiny_suite(
        WIDE,
        ("densities = [0.5]", "densities = [0.5, 0.25]"),
        ('metric = "accuracy"', 'metric = "accuracy"\nmargin = 0.01'),
    )
    path.write_text(path.read_text() + QUESTION)
    return path


def test_more_seeds_go_to_what_is_open(asking, plugins):
    """At 0.25 the row is 30 points below; at 0.5 nobody can tell, until the looks are used up."""
    suite = read_suite(asking)
    computed: list[tuple[int, set[float], int]] = []

    def planned(seeds):
        return make_plan(suite, "smoke", plugins, Selection(seeds=seeds))

    def compute(plan):
        seeds = {cell.seed for cell in plan.cells}
        computed.append((len(seeds), {cell.density for cell in plan.cells}, len(plan.cells)))
        return Summary({cell.key: "ok" for cell in plan.cells}, computed=len(plan.cells))

    def results_at(seeds):
        cells = planned(seeds).cells
        value = {
            1.0: lambda seed: 0.9,
            0.5: lambda seed: 0.9 + WOBBLE[seed % 8],
            0.25: lambda seed: 0.6 + seed / 1000,
        }
        entries = [
            CellResult(replace(describe(cell), status="ok", headline=value[cell.density](cell.seed))) for cell in cells
        ]
        return Results(suite, "smoke", "fp32", "cpu", entries)

    said: list[str] = []
    looks = plan_of(5)
    summary, course = run_until_decided(planned, compute, results_at, looks, said.append)
    assert [look.seeds for look in looks] == [count for count, _, _ in computed] == [5, 8, 10, 15, 20]
    assert computed[0][1:] == ({1.0, 0.5, 0.25}, 15)
    assert computed[1][1:] == ({1.0, 0.5}, 16)
    assert (summary.computed, course.taken) == (sum(count for _, _, count in computed), 5)
    marks = {dict(side)["density"]: one.mark for (_, side), one in course.decisions.items()}
    assert marks == {0.25: "worse", 0.5: "cannot tell"}
    assert said[0] == "look 1 of 5, at 5 seeds and 2.5 %: 0 better, 0 as good, 1 worse, 1 open"
    assert said[1] == "look 2 of 5: 8 seeds for 1 comparisons that are open"
    results = results_at(20)
    judgement = with_decisions(judge(results), course.decisions)
    (answer,) = judgement.answers
    assert answer_words(results, answer) == "Worse than dense: magnitude (25 %). Open: magnitude (50 %)."


def test_a_look_that_time_cuts_short_decides_nothing(asking, plugins):
    """Its cells are left for the next run; the course has no decision."""
    suite = read_suite(asking)
    plan = make_plan(suite, "smoke", plugins)
    summary, course = run_until_decided(
        lambda seeds: plan, lambda part: Summary(left=3), lambda seeds: None, plan_of(5), lambda line: None
    )
    assert (summary.left, course.taken, course.decisions) == (3, 0, {})


def test_what_cannot_be_decided_is_refused(tiny_suite, asking, plugins):
    """A tier that is asked nothing; seeds that the command line has chosen."""
    plan = make_plan(read_suite(tiny_suite(name="other.toml")), "smoke", plugins)
    with pytest.raises(OptionError, match=r"suite 'tiny' asks no question in tier 'smoke'. It asks none at all."):
        check_questions(plan, None)
    with pytest.raises(OptionError, match="leave out --seeds"):
        check_questions(make_plan(read_suite(asking), "smoke", plugins), 7)
    assert plain().seed == 0


def test_a_run_ends_with_the_answers(asking, tmp_path):
    """As a person reads them, and as a program does; the second run finds everything in the store."""
    words = ("run", asking, "--tier", "smoke", "--plugin", STRANGER, "--store", tmp_path / "s", "--workers", "2")
    told = subprocess.run(command(*words), capture_output=True, text=True, check=True)
    assert "Which rows are as good as those that are never pruned?" in told.stdout
    assert "magnitude at 50 % against dense:" in told.stdout
    again = json.loads(subprocess.check_output(command(*words, "--json"), text=True))
    assert again["computed"] == 0
    assert [(one["side"], one["density"], len(one["seeds"])) for one in again["answers"]] == [
        ("magnitude", 0.5, 5),
        ("magnitude", 0.25, 5),
    ]
    assert {one["mark"] for one in again["answers"]} <= {"better", "worse", "as good", "cannot tell"}
    for one in again["answers"]:
        assert one["low"] <= one["mean"] <= one["high"]
