"""Cards: what GPUs can do at most, by their makers' data sheets, for plans on machines that have none.

The rates are those of dense products in SXM or full-power form, with fp32 accumulation and without the makers' factor
of two for structured sparsity. `fp32` is the rate without tensor cores, as PyTorch computes float32 by default. Where a
card has no tensor-core arithmetic for a precision, its rate is that of fp32.

| card | data sheet |
| --- | --- |
| h200 | NVIDIA H200 Tensor Core GPU, SXM: 141 GB HBM3e, 4.8 TB/s, 67 / 494.5 / 989.5 TFLOP/s |
| h100 | NVIDIA H100 Tensor Core GPU, SXM: 80 GB HBM3, 3.35 TB/s, 67 / 494.5 / 989.5 TFLOP/s |
| a100 | NVIDIA A100 80GB, SXM: 2.039 TB/s, 19.5 / 156 / 312 TFLOP/s |
| l40s | NVIDIA L40S: 48 GB, 864 GB/s, 91.6 / 183 / 362 TFLOP/s |
| rtx4090 | NVIDIA Ada GPU architecture, GeForce RTX 4090: 24 GB, 1.008 TB/s, 82.6 / 82.6 / 165.2 TFLOP/s |
| l4 | NVIDIA L4: 24 GB, 300 GB/s, 30.3 / 60 / 121 TFLOP/s |
| t4 | NVIDIA T4: 16 GB, 320 GB/s, 8.1 TFLOP/s |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ticketbench.errors import UnknownNameError

DEFAULT_CARD = "h200"
"""The card that is planned for where none is here and none is named."""
OTHER_FORMS = ("pcie", "laptop", "nvl", "mig", "40gb")
"""Words in a driver's name for forms of a card that the table does not have."""


@dataclass(frozen=True)
class Card:
    """A GPU as a plan sees it: how much fits, and how fast bytes and products go at most."""

    name: str
    memory: float
    """Bytes."""
    bandwidth: float
    """Bytes a second between the card's memory and its processors."""
    rates: Mapping[str, float]
    """Precision -> FLOP/s of large products."""


def card_of(name: str, gigabytes: float, gigabytes_per_second: float, fp32: float, tf32: float, bf16: float) -> Card:
    """A card from the numbers of a data sheet, the rates in TFLOP/s."""
    rates = {"fp32": fp32 * 1e12, "tf32": tf32 * 1e12, "bf16": bf16 * 1e12}
    return Card(name, gigabytes * 1e9, gigabytes_per_second * 1e9, rates)


CARDS: Mapping[str, Card] = {
    card.name: card
    for card in (
        card_of("h200", 141, 4800, 67, 494.5, 989.5),
        card_of("h100", 80, 3350, 67, 494.5, 989.5),
        card_of("a100", 80, 2039, 19.5, 156, 312),
        card_of("l40s", 48, 864, 91.6, 183, 362),
        card_of("rtx4090", 24, 1008, 82.6, 82.6, 165.2),
        card_of("l4", 24, 300, 30.3, 60, 121),
        card_of("t4", 16, 320, 8.1, 8.1, 8.1),
    )
}
"""Name -> card."""


def card_named(name: str) -> Card:
    """A card of the table; an `UnknownNameError` lists those there are."""
    if name.lower() not in CARDS:
        raise UnknownNameError("card", name, CARDS, "--card")
    return CARDS[name.lower()]


def card_called(device_name: str) -> Card | None:
    """The card of the table that a driver's name stands for ("NVIDIA H100 80GB HBM3" is h100), or None."""
    words = device_name.lower().replace("geforce rtx ", "rtx").replace("-", " ").split()
    if any(word in words for word in OTHER_FORMS):
        return None
    return next((card for name, card in CARDS.items() if name in words), None)
