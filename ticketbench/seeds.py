"""Seeds: every random draw belongs to a cell, or is common to all of them.

A seed is the hash of what it is for, so that adding a draw somewhere changes no other, and no draw
depends on the fleet that a cell is trained in, on Python's own hash, or on the order of work.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(*purpose: object) -> int:
    """A 63-bit seed from a purpose such as (cell seed, "order", epoch)."""
    text = "\x1f".join(str(part) for part in purpose)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*purpose: object) -> torch.Generator:
    """A CPU generator of its own; drawn on the CPU, a cell is the same on every device."""
    import torch

    return torch.Generator().manual_seed(seed_of(*purpose))


def common(*purpose: object) -> random.Random:
    """Draws that all cells share at a step, such as how many iterations a training step runs."""
    return random.Random(seed_of("common", *purpose))
