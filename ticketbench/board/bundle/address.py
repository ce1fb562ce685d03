"""Addresses that a submission gives: of its code and of its paper, on the web and nowhere else."""

from __future__ import annotations

import re

from ticketbench.board.bundle.refusal import shown_text

LONGEST_ADDRESS = 200
ADDRESS = re.compile(
    r"https://(?P<host>(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9]))"
    r"(?:/[A-Za-z0-9._~/+,;=:@%?&#-]*)?",
    re.ASCII,
)
"""https, a name in small letters, and of the rest only signs that mean nothing in HTML and in a link of Markdown."""
RIGHT = (
    f"It must be an address such as https://github.com/you/code, of {LONGEST_ADDRESS} characters at most: https, a "
    "host by name in small letters without user or port, and after it letters, digits and . _ ~ / + , ; = : @ % ? & # -"
)


def web_address(value: str) -> str:
    """An address that can be followed and shown anywhere."""
    if len(value) > LONGEST_ADDRESS or not ADDRESS.fullmatch(value):
        raise ValueError(f"{shown_text(value)}. {RIGHT}")
    return value


def host_of(address: str) -> str:
    """The host of an address as a reader is shown it; "" where it is no address to be followed."""
    found = ADDRESS.fullmatch(address) if len(address) <= LONGEST_ADDRESS else None
    return found["host"] if found else ""
