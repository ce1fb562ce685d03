"""The names of tiers, from the smallest to the largest: seconds, minutes, an hour, the paper's own, and beyond it."""

from __future__ import annotations

from typing import Literal, get_args

TierName = Literal["smoke", "small", "hour", "paper", "wide"]
"""smoke: seconds. small: ten minutes. hour: an hour, where a suite has one between the others. paper: the paper's own
setting. wide: what the paper or we ask beyond that, for days."""
TIERS: tuple[TierName, ...] = get_args(TierName)
"""All of them in this order; a suite has some."""


def caution(tier: str) -> str:
    """What is to be said beside the numbers of a tier; nothing where they mean what they say."""
    if tier != TIERS[0]:
        return ""
    return f"tier {tier} only shows that everything runs; its numbers mean nothing, as its networks are hardly trained"
