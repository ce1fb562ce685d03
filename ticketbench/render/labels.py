"""Names as a reader wants them: only the options that tell choices apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def short(choice: str, others: Sequence[str]) -> str:
    """A name, with only those options that tell it from other choices of the same name."""
    name, _, options = choice.partition(" ")
    rivals = [json.loads(other.partition(" ")[2] or "{}") for other in others if other.partition(" ")[0] == name]
    own = json.loads(options or "{}")
    telling = {key: value for key, value in own.items() if any(rival.get(key) != value for rival in rivals)}
    return " ".join([name, *(f"{key}={option_text(value)}" for key, value in telling.items())])


def telling(choice: str, others: Sequence[str]) -> str:
    """As `short`, without the name where all have the same one; empty where there is nothing to tell."""
    name = choice.partition(" ")[0]
    text = short(choice, others)
    return text.removeprefix(name).strip() if all(other.partition(" ")[0] == name for other in others) else text


def option_text(value: Any) -> str:
    """An option's value as the suite file writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
