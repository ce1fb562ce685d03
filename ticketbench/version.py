"""The version of ticketbench, where everything that records or shows it reads it."""

from __future__ import annotations

__version__ = "0.1.0"
