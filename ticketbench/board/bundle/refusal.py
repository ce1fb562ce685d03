"""Refusals: why a submission is not taken, in one line that is safe to print whatever the submission holds."""

from __future__ import annotations

from reprlib import Repr
from typing import Any

from ticketbench.errors import TicketbenchError

LONGEST_SHOWN = 80
"""Characters of a foreign value that a message shows."""
FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""A spreadsheet computes a text that begins with one of these."""
BRIEF = Repr()
"""Values as Python writes them, but for those within others within others, of which a bomb may have thousands."""
BRIEF.maxlevel, BRIEF.maxdict = 3, 20
BRIEF.maxstring = BRIEF.maxlong = BRIEF.maxother = 200
HIDDEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0")
"""Characters that Python prints, of which nobody sees anything."""


class BundleError(TicketbenchError):
    """A submission that is refused. The message names the file, the place, the value and what would be right."""


def seen_on_screen(sign: str) -> bool:
    """Whether a character shows on a screen, and as nothing but itself."""
    return sign.isprintable() and sign not in HIDDEN and not "\U000e0100" <= sign <= "\U000e01ef"


def shown_text(value: Any) -> str:
    """A foreign value as a message shows it: on one line, shortened, what cannot be seen as escapes."""
    text = value if isinstance(value, str) else BRIEF.repr(value)
    cut = text[:LONGEST_SHOWN]
    plain = "".join(sign if seen_on_screen(sign) else sign.encode("unicode_escape").decode() for sign in cut)
    more = f"… ({len(text)} characters)" if len(text) > LONGEST_SHOWN else ""
    return f"'{plain}'{more}" if isinstance(value, str) else plain + more


def refuse(file: str, column: str, row: int, value: Any, right: str) -> BundleError:
    """The refusal of one value of a table."""
    return BundleError(f"{file}, column '{column}', row {row + 1}: {shown_text(value)}. {right}")


def text_fault(text: str, longest: int, lines: bool = False) -> str:
    """What is wrong with a foreign text, or "". With `lines` it may have line breaks and tabs."""
    if len(text) > longest:
        return f"It may have {longest} characters at most."
    allowed = "\n\t" if lines else ""
    odd = next((sign for sign in text if not (seen_on_screen(sign) or sign in allowed)), None)
    if odd is not None:
        return f"It holds {shown_text(odd)}, a character that cannot be printed."
    if text.lstrip().startswith(FORMULAS):
        return "A text may not begin with = + - or @: a spreadsheet would compute it."
    return ""


def mended(text: str, longest: int) -> str:
    """An error's text as a bundle may hold it: escapes for what cannot be printed, no formula, not too long."""
    plain = "".join(
        sign if seen_on_screen(sign) or sign in "\n\t" else sign.encode("unicode_escape").decode() for sign in text
    )
    plain = f"'{plain}" if plain.lstrip().startswith(FORMULAS) else plain
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
