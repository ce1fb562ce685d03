"""Residuals of made-up boards, by hand."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import pytest
from board_records import places, row, store

from ticketbench.board.residuals import recorded_in
from ticketbench.board.suites import Suites
from ticketbench.errors import StoreError

WHOLE = [0.9, 0.91, 0.93, 0.9, 0.92, 0.94, 0.9, 0.91]
UP = [0.5, 0.6, 0.7, 0.8, 0.9, 0.7, 0.6, 0.5]
DOWN = [0.4, 0.5, 0.5, 0.6, 0.8, 0.6, 0.4, 0.3]
PERPLEXITY = {"suite": "rnn", "task": "words", "headline_metric": "perplexity"}


def test_rows_and_differences_of_shares(tmp_path, plugins):
    """Each row once, less its mean; at each place the others less the row that is never pruned; nothing else."""
    board = places(tmp_path, suite="rnn")
    rows = [row("x", density, values, suite="rnn") for density, values in ((0.1, UP), (0.2, DOWN))]
    other = [row("whole", 1.0, WHOLE, **PERPLEXITY), row("x", 0.3, UP, **PERPLEXITY)]
    few = [row("few", 0.1, UP[:7], suite="rnn"), row("flat", 0.2, [0.5] * 8, suite="rnn")]
    store(board, *rows, *other, *few, row("whole", 1.0, WHOLE, suite="rnn"))
    found = recorded_in([board.parent.parent], Suites(plugins))
    assert found.boards == ("rnn/smoke",)
    wide = math.sqrt(8 / 7)
    expected = [[wide * (value - fmean(row)) for value in row] for row in (WHOLE, UP, DOWN)]
    assert sorted(found.rows) == [pytest.approx(row) for row in sorted(expected)]
    less = [stdev(a - b for a, b in zip(values, WHOLE, strict=True)) for values in (UP, DOWN, [0.5] * 8)]
    assert sorted(found.scales) == pytest.approx(sorted(less))


def test_boards_that_say_nothing(tmp_path, plugins):
    """Too few seeds, no suite of that name: one message with what would work."""
    board = places(tmp_path, suite="rnn")
    store(board, row("x", 0.1, UP[:7], suite="rnn"), row("whole", 1.0, WHOLE[:7], suite="rnn"))
    with pytest.raises(StoreError, match="no board among rnn/smoke has two rows of one place with 8 seeds"):
        recorded_in([board.parent.parent], Suites(plugins))
    store(places(tmp_path), row("x", 0.1, UP), row("whole", 1.0, WHOLE))
    with pytest.raises(StoreError, match="no board among those given"):
        recorded_in([tmp_path / "paper" / "smoke"], Suites(plugins))
