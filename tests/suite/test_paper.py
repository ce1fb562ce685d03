"""What a suite file says of its paper: read into typed objects, or refused with what would work."""

from __future__ import annotations

import pytest
from paper_store import PAPER

from ticketbench.errors import SuiteError
from ticketbench.plan.cell import describe
from ticketbench.plan.plan import find_suite, make_plan
from ticketbench.results.results import CellResult, Results
from ticketbench.suite.paper import Aspect, Claim, Figure, Metric
from ticketbench.suite.suite import read_suite
from ticketbench.suite.where import Filter, Where


@pytest.fixture
def paper_suite(tiny_suite):
    """The tiny suite with a paper, and with replacements of text."""

    def write(*changes: tuple[str, str]):
        path = tiny_suite()
        text = path.read_text() + PAPER
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)
        return path

    return write


def test_a_paper_is_read_into_typed_objects(paper_suite):
    """Figures with references, claims with their other side, metrics with how they are shown."""
    suite = read_suite(paper_suite())
    figure, table = suite.figures
    assert (figure.kind, figure.at, figure.levels, figure.comparable) == ("curve", (10, 99), (0.5,), ("smoke",))
    assert figure.task == Filter(name="blobs")
    assert figure.references[0].points == ((10, 0.2), (20, 0.5))
    assert (table.kind, table.comparable, table.rows) == ("table", ("paper",), ())
    assert suite.claims[0].than == Aspect(row="dense")
    assert suite.metric("accuracy") == Metric(title="accuracy", percent=True)
    assert suite.metric("loss") == Metric(title="loss")


def test_a_metric_without_a_title_has_its_name(paper_suite):
    """So that every axis says what it is."""
    suite = read_suite(paper_suite(('title = "accuracy"\n', "")))
    assert suite.metric("accuracy") == Metric(title="accuracy", percent=True)


def test_a_figure_takes_cells_of_any_of_several_choices():
    """A plural key lists filters; one must match on each axis, and an axis without any is open."""
    figure = Figure(name="f", title="f", protocols=["same", {"name": "half", "first": 2}], initializer="he")
    assert figure.protocols == (Filter(name="same"), Filter(name="half", options={"first": 2}))
    assert [figure.takes("protocol", one) for one in ("same", 'half {"first":2}', 'half {"first":1}')] == [
        True,
        True,
        False,
    ]
    assert [figure.takes("initializer", one) for one in ("he", "glorot")] == [True, False]
    assert figure.takes("model", "anything")


def test_the_other_side_differs_in_what_than_names():
    """All else is inherited."""
    claim = Claim(text="t", source="s", row="a", measure="value", x=20.0, expect="lower", than={"x": 5.0})
    other = claim.changed(claim.than)
    assert (other.row, other.measure, other.x) == ("a", "value", 5.0)


WRONG = {
    "row of a reference": ('row = "snip"', 'row = "snib"', "figures (number 1): no row 'snib'. Did you mean 'snip'?"),
    "row of a claim": ('row = "magnitude"', 'row = "magnitud"', "claims (number 1): no row 'magnitud'. Did you mean"),
    "other row of a claim": (
        'than = "dense"',
        'than = "dens"',
        "claims (number 1): no row 'dens'. Did you mean 'dense'",
    ),
    "tier of a figure": (
        'comparable = ["smoke"]',
        'comparable = ["smok"]',
        "figures (number 1): no tier 'smok'. Did you",
    ),
    "tier of a target": ('tier = "smoke"', 'tier = "small"', "targets (number 1): no tier 'small'"),
    "row of a target": ('row = "dense"\nmeasure', 'row = "dence"\nmeasure', "targets (number 1): no row 'dence'. Did"),
    "two figures of a name": ('name = "table-1"', 'name = "figure-1"', "figures (number 2): there are two figures"),
    "a name that leaves its folder": ('name = "table-1"', 'name = "../t"', "'figures (number 2).name' must match"),
    "an unknown key of a figure": ("levels =", "level =", "'figures (number 1).level'. Did you mean 'levels'?"),
    "an unknown key of a reference": ("points =", "point =", "'figures (number 1).references (number 1).point'"),
    "an unknown key of a claim": ("expect =", "expects =", "'claims (number 1).expects'. Did you mean 'expect'?"),
    "an unknown key of a metric": ("percent = true", "percents = true", "'metrics.accuracy.percents'. Did you mean"),
    "an unknown key of the other side": ('than = "dense"', "than = { rows = 3 }", "'claims (number 1).than.rows'. Did"),
    "a measure that there is not": ('"x_to"', '"x_too"', "measure': no measure 'x_too'. Did you mean 'x_to'?"),
    "a measure without its level": ("level = 0.5\n", "", "measure = 'x_to' needs `level`"),
    "higher than nothing": ('than = "dense"\n', "", "expect = 'lower' needs `than`, the side it is lower than"),
    "a bound without a value": ('expect = "lower"', 'expect = "at_least"', "expect = 'at_least' needs a `value`"),
    "a probe without its value": ('"x_to"', '"probe"', "measure = 'probe' needs `probe`"),
    "a probe that is no address": ("level = 0.5", 'probe = "norm"', "'norm' names no value of a probe: write 'probe/"),
    "a probe of a figure that is no address": ("levels = [0.5]", 'probes = ["a//b"]', "'a//b' names no value of a"),
    "a band that there is not": ("levels = [0.5]", 'band = "sd"', "'figures (number 1).band' must be 'range'"),
    "one task and several": ("levels = [0.5]", 'tasks = ["blobs"]', "give either `task` or `tasks`"),
    "a y axis upside down": ("levels = [0.5]", "y_range = [1.0, 0.7]", "y_range = [1, 0.7] does not rise"),
    "a value that is no bound": ("paper = -10", "value = 3", "`value` belongs to at_least and at_most, not to 'lower'"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_paper_is_one_message(paper_suite, old: str, new: str, message: str):
    """It names the place and the value."""
    with pytest.raises(SuiteError) as caught:
        read_suite(paper_suite((old, new)))
    assert message in str(caught.value)


def test_what_the_built_in_suites_say_of_their_papers_has_cells(plugins):
    """Every figure, claim and target, and the other side of every claim, speaks of planned cells of some tier."""
    for name in plugins.items["suite"]:
        suite = find_suite(name, plugins)
        tiers = []
        for tier in suite.tiers:
            cells = make_plan(suite, tier, plugins).cells
            tiers.append(Results(suite, tier, "fp32", "cpu", [CellResult(describe(cell)) for cell in cells]))
        asked: list[tuple[Where, str | None]] = [(figure, None) for figure in suite.figures]
        asked += [(target, target.row) for target in suite.targets] + [(claim, claim.row) for claim in suite.claims]
        others = [claim.changed(claim.than) for claim in suite.claims if claim.than]
        asked += [(other, other.row) for other in others]
        for where, row in asked:
            assert any(results.select(where, row) for results in tiers), where
