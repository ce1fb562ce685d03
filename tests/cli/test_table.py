"""The table at the end of a run: what is not the same is not pooled."""

from __future__ import annotations

from plain_records import plain

from ticketbench.cli.table import table_lines


def record(seed: int, headline: float, initializer: str = 'he {"gain":1.0}', **others):
    """A record with what a line shows."""
    said = {"status": "ok", "recipe": "small", **others}
    return plain(
        row="static",
        density=0.1,
        seed=seed,
        headline=headline,
        parameters=10,
        flops=20.0,
        draw_seconds=0.0,
        train_seconds=1.0,
        initializer=initializer,
        **said,
    )


def test_initializers_of_a_row_have_lines_of_their_own():
    """Two of two seeds each, told apart by what differs between them; never a mean over four."""
    wide = 'he {"gain":2.0}'
    lines = table_lines([record(0, 0.5), record(1, 0.7), record(0, 0.1, wide), record(1, 0.3, wide)])
    assert [line[1:4] for line in lines] == [("static gain=1.0", "2", "0.6000"), ("static gain=2.0", "2", "0.2000")]


def test_a_row_without_variants_has_its_name_alone():
    """And a seed without a number is counted."""
    (line,) = table_lines([record(0, 0.5), record(1, float("nan"), status="diverged")])
    assert (line[1], line[2], line[3], line[-1]) == ("static", "1/2", "0.5000", "1 diverged")


def test_recipes_are_not_pooled_either():
    """A row under two recipes."""
    lines = table_lines([record(0, 0.5), record(0, 0.9, recipe="large")])
    assert [line[1] for line in lines] == ["static small", "static large"]
