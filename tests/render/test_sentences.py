"""Sentences out of comparisons: written down by hand for what a reader must not get wrong."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ticketbench.board.asked import by_words, margin_words, plain_zeros
from ticketbench.render.sentences import Spoken, sentences
from ticketbench.render.sketch import Difference, SketchLine, drawn_bar, drawn_curves, drawn_differences, standing_alone

HOSTILE = "<img src=x>&\"'"


def side(name: str, mark: str, gain: float, density: float | None = 0.2, context: str = "") -> Spoken:
    """A side that is so many points apart."""
    by = f"{abs(gain):.1f} points [{abs(gain) - 0.3:.1f}, {abs(gain) + 0.3:.1f}]"
    return Spoken(name, context, density, "dense", mark, gain, by, "1 point")


def test_the_marks_of_a_density_share_a_sentence():
    """The good news first, the best of those that are worse with its interval; the rest is counted where it is all."""
    found = [
        *(side(name, "as good", gain) for name, gain in (("late", -0.3), ("imp", -0.2))),
        side("random", "worse", -1.6),
        *(side(name, "worse", gain, 0.05) for name, gain in (("late", -1.4), ("imp", -1.3), ("random", -9.0))),
        *(side(name, "worse", gain, 0.02) for name, gain in (("late", -5.1), ("imp", -8.7), ("random", -60.0))),
    ]
    assert sentences(found, "dense") == (
        "At 20 % of the weights imp and late are as good as dense (within 1 point); random is worse by 1.6 points "
        "[1.3, 1.9]. At 5 % and 2 % of the weights imp, late and random are worse: the best at 5 % imp by 1.3 points "
        "[1.0, 1.6] and at 2 % late by 5.1 points [4.8, 5.4]."
    )


def test_better_open_and_contexts():
    """All of many sides are counted; what is open is said to be; each context has its own sentence."""
    all_better = [side(name, "better", at + 1.0, 0.1, "on mazes") for at, name in enumerate("abcd")]
    open_ = [side("e", "cannot tell", 0.1, 0.1, "on sums")]
    assert sentences([*all_better, *open_], "random") == (
        "On mazes at 10 % of the weights, all 4 are better than random, most of all d, by 4.0 points [3.7, 4.3]. "
        "On sums at 10 % of the weights, we cannot tell of e."
    )
    assert sentences([side("new", "cannot tell", 0.1, None)], "old") == (
        "We cannot tell whether new is better or worse than old."
    )
    levels = [side("a", mark, 1.0, density) for mark, density in (("better", 0.5), ("worse", 0.2), ("better", 0.1))]
    assert sentences(levels, "b", brief=True).count("At ") == 2
    assert sentences([side(f"s{at}", "better" if at < 8 else "worse", 9.0 - at) for at in range(9)], "t").startswith(
        "At 20 % of the weights s0, s1, s2, s3, s4 and 3 more are better than t, most of all s0, by 9.0 points"
    )


def test_differences_lose_their_sign_and_turn_their_ends():
    """As the larger side sees them; an interval across zero keeps the sign of its other end."""
    assert by_words("−1.3 points [−1.6, −1.0]") == "1.3 points [1.0, 1.6]"
    assert by_words("−0.5 points [−1.6, +0.6]") == "0.5 points [−0.6, 1.6]"
    assert by_words("+2 [+1, +3]", "perplexity") == "2 perplexity [1, 3]"
    assert plain_zeros("−0.0 points [−0.04, +0.0]") == "0.0 points [−0.04, 0.0]"
    assert [margin_words(text) for text in ("+1.0 points", "+5.0 points", "+0.5 points")] == [
        "1 point",
        "5 points",
        "0.5 points",
    ]


def test_sketches_are_whole_and_names_stay_text():
    """Well-formed, inside their frame, with a description; a bar's far ends stand at its edge."""
    far = Difference(HOSTILE, "worse", -60.0, -65.0, -55.0)
    near = Difference("near", "as good", 0.1, -0.3, 0.5)
    lines = [SketchLine(HOSTILE, (1.0, 2.0, None)), SketchLine("dense", (3.0, 3.0, 3.0), dashed=True)]
    for drawn in (
        drawn_curves(f"means {HOSTILE}", ["20 %", "5 %", "2 %"], lines, "%"),
        drawn_differences("differences", HOSTILE, [far, near], 1.0),
    ):
        root = ElementTree.fromstring(standing_alone(drawn))
        assert HOSTILE in (root.get("aria-label") or "")
        _, _, wide, high = map(float, str(root.get("viewBox")).split())
        for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
            assert 0 <= float(circle.get("cx", "-1")) <= wide
            assert 0 <= float(circle.get("cy", "-1")) <= high
        assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) in (2, 5)
    bar = drawn_bar(far, 10.0, 1.0)
    assert [float(x) for x in re.findall(r'cx="([\d.]+)"', bar)] == [2.0]
