"""Questions of a suite file: what they may say, and which tiers have the seeds to answer them."""

from __future__ import annotations

import pytest

from ticketbench.errors import SuiteError
from ticketbench.suite.paper import Metric
from ticketbench.suite.suite import read_suite

ASKED = '[[questions]]\nname = "q"\ntext = "Which?"\nthan = "dense"\n'

WRONG = {
    "seeds that decide nothing": (
        'tiers = ["smoke"]',
        "questions (number 1): tier 'smoke' has 2 seeds, which decide nothing. Give it 5 or more, or name the tiers "
        "that question 'q' is asked in",
    ),
    "an unknown row": ('rows = ["magnitud"]', "no row [methods.magnitud]. Did you mean 'magnitude'?"),
    "an unknown tier": ('tiers = ["smoky"]', "questions (number 1): no tier 'smoky'. Did you mean 'smoke'?"),
    "one row": ('row = "magnitude"', "a question has `rows`, a list, instead of `row`"),
    "a measure without its level": ('measure = "x_to"', "measure = 'x_to' needs `level`"),
    "both keys of an axis": ('task = "blobs"\ntasks = ["blobs"]', "give either `task` or `tasks`"),
    "a margin below zero": ("margin = -0.1", "'questions (number 1).margin' must be 0 or more"),
}


@pytest.mark.parametrize(("line", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_question_is_one_message(tiny_suite, line, message):
    """It names the question, what is wrong with it, and what would work."""
    path = tiny_suite()
    path.write_text(f"{path.read_text()}{ASKED}{line}\n")
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert message in str(caught.value)


def test_two_questions_have_two_names(tiny_suite):
    """As figures have."""
    path = tiny_suite()
    path.write_text(path.read_text() + ASKED + ASKED)
    with pytest.raises(SuiteError, match="there are two questions 'q'"):
        read_suite(path)


def test_rows_that_boards_compare_with_exist(tiny_suite):
    """The message names the row that is meant."""
    path = tiny_suite(("version = 1", 'version = 1\nagainst = ["dens"]'))
    with pytest.raises(SuiteError, match=r"against: no row \[methods.dens\]. Did you mean 'dense'"):
        read_suite(path)


def test_the_smallest_tier_is_asked_nothing(tiny_suite):
    """A question without tiers is for all others; where one has too few seeds, it is refused."""
    path = tiny_suite()
    path.write_text(path.read_text() + ASKED)
    assert [one.asked_in("smoke") for one in read_suite(path).questions] == [False]
    path = tiny_suite(("[tiers.smoke]", "[tiers.small]"), ("[[tiers.smoke.blocks]]", "[[tiers.small.blocks]]"))
    path.write_text(path.read_text() + ASKED)
    with pytest.raises(SuiteError, match="tier 'small' has 2 seeds"):
        read_suite(path)


def test_bounds_of_a_metric():
    """A share's are 0 and 1; its worst is the end that it should not reach."""
    assert (Metric(percent=True).span, Metric(percent=True).bottom, Metric().bottom) == ((0.0, 1.0), 0.0, None)
    worst = Metric(bounds=(1.0, float("inf")), higher_is_better=False)
    assert (worst.bottom, worst.most) == (None, float("inf"))
    assert Metric(bounds=(0.0, 3.0), higher_is_better=False).bottom == 3.0
