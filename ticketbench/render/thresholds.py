"""Thresholds in words: the lowest density down to which a row is as good as dense, the same wherever it is shown."""

from __future__ import annotations

from ticketbench.results.threshold import DENSE, Threshold


def threshold_text(found: Threshold) -> str:
    """A threshold as it is written: "6.9 % [3.5 %, 6.9 %]"; "≤ 3.5 %" where sparser tickets may be as good."""
    low = f"{'≤ ' if found.open_below else ''}{density_text(found.low)}"
    return f"{density_text(found.estimate)} [{low}, {density_text(found.high)}]"


def density_text(density: float) -> str:
    """A density in percent, with the digits that count."""
    return f"{100 * density:.2g} %" if density < DENSE else "100 %"


def threshold_words(found: Threshold) -> str:
    """What is shown on either side of a threshold, in a sentence."""
    densest, sparsest = found.levels[0].density, found.levels[-1].density
    worse = found.worse_from
    if found.high == sparsest:
        return f"as good at every density computed, down to {density_text(sparsest)}"
    if worse == densest:
        return f"worse at every density computed, from {density_text(densest)} on"
    good = "nowhere shown to be as good" if found.high == DENSE else f"as good down to {density_text(found.high)}"
    return f"{good}; {f'worse from {density_text(worse)} on' if worse else 'nowhere shown to be worse'}"
