"""Equivalence of two precisions: the test against scipy's own, and what stands in the way of a verdict."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from places import ROOT
from plain_records import plain
from scipy import stats as scipy_stats

from ticketbench.results.equivalence import ALL_THE_SAME, NO_DEVIATION, EquivalenceTest, paired_rows

BASE = (0.90, 0.94, 0.92, 0.88, 0.96)
"""Numbers of five seeds with a standard deviation of √0.001 = 0.0316."""


def records(precision: str, numbers: dict[str, tuple[float, ...]], **said):
    """A record for every row and seed."""
    return [
        plain(
            f"{precision} {row} {seed}",
            **{"row": row, "seed": seed, "precision": precision, "status": "ok", "headline": value, **said},
            headline_metric="accuracy",
        )
        for row, values in numbers.items()
        for seed, value in enumerate(values)
    ]


def moved(by: tuple[float, ...]) -> tuple[float, ...]:
    """The numbers of the seeds, each moved by so much."""
    return tuple(value + step for value, step in zip(BASE, by, strict=True))


def only_one(trusted, other):
    """The only comparison of two runs."""
    (comparison,) = paired_rows(trusted, other)
    return comparison


@pytest.mark.parametrize("n", [2, 5, 15])
@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.1, 0.7])
def test_the_two_tests_are_scipys(n: int, shift: float):
    """The larger p of two one-sided t-tests on samples moved by the margin, and the interval of twice the level."""
    values = np.random.default_rng(n).normal(shift, 0.5, n)
    margin = 0.4
    found = EquivalenceTest(tuple(values.tolist()), margin)
    assert found.p == pytest.approx(larger_p(values, margin), rel=1e-9)
    low, high = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))
    assert found.shown == (-margin < low and high < margin)
    assert found.refuted == (low > margin or high < -margin)


def test_the_level_holds_at_the_edge():
    """Where the true difference is exactly the margin, about 5 % of 4000 tests of 5 blocks show equivalence."""
    draws = np.random.default_rng(1).normal(1.0, 0.3, (4000, 5))
    shown = sum(EquivalenceTest(tuple(values), 1.0).shown for values in draws.tolist()) / 4000
    assert shown == pytest.approx(0.05, abs=0.011)  # three standard errors


@pytest.mark.parametrize(
    ("differences", "margin", "p"),
    [
        ((), 1.0, 1.0),
        ((0.0,), 1.0, 1.0),
        ((0.0, 0.0), 0.0, 0.0),
        ((0.5, 0.5), 0.5, 0.0),
        ((0.5, 0.5), 0.4, 1.0),
        ((0.1, -0.1), 0.0, 0.5),
    ],
)
def test_the_edges(differences: tuple[float, ...], margin: float, p: float):
    """One block shows nothing; without scatter the difference itself decides; without a margin none may be left."""
    assert EquivalenceTest(differences, margin).p == p


def test_rows_are_taken_together_in_their_own_deviations():
    """(0.2 and −0.1 deviations) / 2 a seed, by hand; the row of large numbers weighs no more than the other."""
    step, large = math.sqrt(0.001), tuple(1000 * value for value in BASE)
    trusted = records("fp32", {"small": BASE, "large": large})
    other = records("bf16", {"small": moved((0.2 * step,) * 5), "large": tuple(value - 100 * step for value in large)})
    comparison = only_one(trusted, other)
    assert comparison.test.differences == pytest.approx([0.05] * 5)
    assert comparison.test.margin == 0.5
    assert [row.test.margin for row in comparison.rows] == pytest.approx([0.5 * step, 500 * step])
    assert comparison.rows[0].test.differences == pytest.approx([0.2 * step] * 5)
    assert comparison.equivalent
    assert (comparison.metric, comparison.faults) == ("accuracy", ())


def test_seeds_are_paired_whatever_their_order():
    """Each difference is that of one seed."""
    trusted, other = records("fp32", {"r": BASE}), records("bf16", {"r": moved((0.01, 0.0, -0.01, 0.0, 0.0))})
    comparison = only_one(trusted, other[::-1])
    assert comparison.rows[0].test.differences == pytest.approx([0.01, 0.0, -0.01, 0.0, 0.0])
    assert [record.key for record in comparison.rows[0].other] == [f"bf16 r {seed}" for seed in range(5)]


def test_rows_that_move_apart_do_not_cancel_out():
    """One row a deviation up and one a deviation down are 0 on average, and each is refuted by its own test."""
    step = math.sqrt(0.001)
    trusted = records("fp32", {"up": BASE, "down": BASE})
    other = records("bf16", {"up": moved((step,) * 5), "down": moved((-step,) * 5)})
    comparison = only_one(trusted, other)
    assert comparison.test.shown
    assert [row.test.refuted for row in comparison.rows] == [True, True]
    assert not comparison.equivalent


def test_a_cell_without_a_number_is_in_the_way():
    """Its seed counts for no row, and it is said what became of it."""
    near = moved((0.001, 0.0, 0.0, 0.0, 0.0))
    trusted, other = records("fp32", {"a": BASE, "b": BASE}), records("bf16", {"a": near, "b": BASE})
    other[7] = plain("x", row="b", seed=2, precision="bf16", status="diverged", reason="the loss was not finite")
    comparison = only_one(trusted, other)
    assert comparison.faults == ("b at density 0.5, seed 2: bf16 has no number: diverged the loss was not finite",)
    assert [len(row.trusted) for row in comparison.rows] == [4, 4]
    assert comparison.test.shown
    assert not comparison.equivalent


def test_a_cell_that_one_precision_lacks_is_in_the_way():
    """As is a number that is not finite."""
    trusted, other = records("fp32", {"a": BASE}), records("bf16", {"a": (0.91, *BASE[1:3], math.nan, BASE[4])})
    comparison = only_one(trusted, other[:-1])
    assert comparison.faults == (
        "a at density 0.5, seed 3: bf16 has no number: ok",
        "a at density 0.5, seed 4: one of the precisions has no such cell",
    )
    assert not comparison.equivalent


def test_without_scatter_over_seeds_there_is_no_margin():
    """Rows of equal numbers are no obstacle; any difference there is said to be of unknown size."""
    same = {"a": (1.0,) * 5, "b": BASE}
    nearly = {**same, "b": moved((0.001, 0.0, 0.0, 0.0, 0.0))}
    assert only_one(records("fp32", same), records("bf16", nearly)).equivalent
    comparison = only_one(records("fp32", same), records("bf16", {**same, "a": (1.0, 1.0, 1.0, 1.0, 0.999)}))
    assert comparison.faults == (f"a at density 0.5: {NO_DEVIATION}",)
    assert not comparison.equivalent
    alone = only_one(records("fp32", {"a": (1.0,) * 5}), records("bf16", {"a": (0.999,) * 5}))
    assert (alone.equivalent, alone.as_plain()["test"]) == (False, None)


def test_numbers_that_are_all_the_same_show_nothing():
    """A precision that is not in effect would pass any test."""
    comparison = only_one(records("fp32", {"a": BASE}), records("tf32", {"a": BASE}))
    assert (comparison.test.shown, comparison.equivalent) == (True, False)
    assert comparison.faults == (ALL_THE_SAME,)


def test_no_number_at_all_is_no_equivalence():
    """Where every cell failed, there is a comparison with faults and no rows."""
    trusted = records("fp32", {"a": BASE})
    comparison = only_one(trusted, records("bf16", {"a": BASE}, status="failed", reason="no"))
    assert comparison.rows == ()
    assert not comparison.equivalent
    assert comparison.as_plain()["test"] is None


def test_places_are_judged_apart():
    """Another task or initializer is another comparison; what is plain has every key and number."""
    step = math.sqrt(0.001)
    trusted = [*records("fp32", {"a": BASE}), *records("fp32", {"a": BASE}, task="u")]
    near = moved((0.001, 0.0, 0.0, 0.0, 0.0))
    other = [*records("bf16", {"a": near}), *records("bf16", {"a": moved((step,) * 5)}, task="u")]
    comparisons = paired_rows(trusted, other)
    assert [(comparison.axes[0], comparison.equivalent) for comparison in comparisons] == [("t", True), ("u", False)]
    said = comparisons[1].as_plain()
    assert said["task"] == "u"
    assert said["rows"][0]["other"][0] == {"key": "bf16 a 0", "seed": 0, "headline": 0.90 + step}


# -- what is committed -------------------------------------------------------------------------------------

CHECKS = sorted((ROOT / "docs" / "precision").glob("*.json"))


def test_checks_are_committed():
    """Beside the text that speaks of each."""
    text = (ROOT / "docs" / "precision.md").read_text(encoding="utf-8")
    assert CHECKS
    assert [path.name for path in CHECKS if f"precision/{path.name}" not in text] == []


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.name)
def test_a_committed_check_says_what_its_numbers_say(path):
    """Differences, deviations, interval and verdict, computed anew by numpy and scipy from the cells' numbers."""
    found = json.loads(path.read_text(encoding="utf-8"))
    verdicts = []
    for one in found["comparisons"]:
        blocks, refuted = [], False
        for row in one["rows"]:
            assert [cell["seed"] for cell in row["trusted"]] == [cell["seed"] for cell in row["other"]]
            trusted, other = (np.array([cell["headline"] for cell in row[side]]) for side in ("trusted", "other"))
            assert row["test"]["differences"] == pytest.approx(list(other - trusted))
            assert row["test"]["margin"] == pytest.approx(trusted.std(ddof=1) / 2)
            assert row["test"]["p"] == pytest.approx(larger_p(other - trusted, trusted.std(ddof=1) / 2))
            refuted |= row["test"]["low"] > row["test"]["margin"] or row["test"]["high"] < -row["test"]["margin"]
            blocks.append((other - trusted) / trusted.std(ddof=1))
        together = np.mean(blocks, axis=0)
        assert one["test"]["p"] == pytest.approx(larger_p(together, 0.5))
        verdicts.append(bool(one["test"]["p"] <= 0.05 and not refuted and not one["faults"]))
        assert one["equivalent"] is verdicts[-1]
    assert found["equivalent"] is all(verdicts)


def larger_p(values: np.ndarray, margin: float) -> float:
    """The larger p of two one-sided t-tests, by scipy."""
    above = scipy_stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    return max(above, scipy_stats.ttest_1samp(values, margin, alternative="less").pvalue)
