"""Cards: a table of data sheets, and which card a driver's name stands for."""

from __future__ import annotations

import pytest

from ticketbench.errors import UnknownNameError
from ticketbench.plan.card import CARDS, DEFAULT_CARD, card_called, card_named


def test_a_card_from_its_data_sheet():
    """An H100 SXM: 80 GB at 3.35 TB/s, 67 TFLOP/s in float32, 989.5 on bf16 tensor cores."""
    card = card_named("H100")
    assert (card.name, card.memory, card.bandwidth) == ("h100", 80e9, 3.35e12)
    assert card.rates == {"fp32": 67e12, "tf32": 494.5e12, "bf16": 989.5e12}


def test_every_card_is_whole():
    """Each has a rate for every precision, and fewer bits are never slower."""
    assert DEFAULT_CARD in CARDS
    for name, card in CARDS.items():
        assert card.name == name
        assert card.rates["fp32"] <= card.rates["tf32"] <= card.rates["bf16"]
        assert 1e10 < card.memory < 1e12
        assert 1e11 < card.bandwidth < 1e13


def test_an_unknown_card_is_one_message():
    """With the nearest name."""
    with pytest.raises(UnknownNameError, match=r"^unknown card 'h20' in --card\. Did you mean 'h200'\?"):
        card_named("h20")


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("Tesla T4", "t4"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A10G", None),
        ("NVIDIA H100 PCIe", None),
    ],
)
def test_what_a_driver_calls_a_card(driver: str, name: str | None):
    """Whole words count; other forms of a card, which are slower, are not in the table."""
    card = card_called(driver)
    assert (card.name if card else None) == name
