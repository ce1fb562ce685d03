"""Options as a person writes them behind a name: `name[option=value, option=value]`.

A value is a number, `true` or `false`, a text with quotes or, where it is a plain word, without, or a list of these in
brackets. Numbers and quoted texts are TOML's.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from ticketbench.errors import OptionError

OPENING, CLOSING = "[", "]"
PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")
OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
NUMBER_WORDS = ("true", "false", "inf", "nan")
"""Words that TOML reads as something other than a text."""
EXAMPLE = "name[option=0.5, other=true, texts=[a, b]]"


def scanned(text: str) -> Iterator[tuple[str, int, str]]:
    """Every sign with the depth of brackets and the open quote behind it."""
    depth, quote, escaped = 0, "", False
    for sign in text:
        if quote:
            if sign == quote and not escaped:
                quote = ""
            escaped = sign == "\\" and quote == '"' and not escaped
        elif sign in "\"'":
            quote = sign
        else:
            depth += (sign == OPENING) - (sign == CLOSING)
        yield sign, depth, quote


def split_written(text: str, where: str) -> list[str]:
    """The parts between commas that are neither in brackets nor in quotes, without the spaces around them."""
    parts, depth, quote = [""], 0, ""
    for sign, depth, quote in scanned(text):
        if depth < 0:
            raise OptionError(f"{where}: a '{CLOSING}' closes nothing in {text!r}. Write {EXAMPLE}.")
        if sign == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    if quote:
        raise OptionError(f"{where}: the quote {quote} is not closed in {text!r}. Write {EXAMPLE}.")
    if depth:
        raise OptionError(f"{where}: '{OPENING}' is not closed in {text!r}. Write {EXAMPLE}, all of it in quotes.")
    return [part.strip() for part in parts]


def read_written(text: str, where: str) -> tuple[str, dict[str, Any]]:
    """The name and the options, in the order written; an `OptionError` says what cannot be read."""
    name, bracket, rest = text.strip().partition(OPENING)
    if not bracket:
        return name, {}
    bracketed = bracket + rest
    split_written(text, where)  # every bracket and quote is closed
    closed = next(at for at, (_, depth, _) in enumerate(scanned(bracketed)) if not depth)
    if not name.strip() or closed != len(bracketed) - 1:
        raise OptionError(f"{where}: cannot read {text!r}. Write {EXAMPLE}.")
    options: dict[str, Any] = {}
    inside = bracketed[1:-1].strip()
    for part in split_written(inside, where) if inside else []:
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not OPTION_NAME.fullmatch(option) or not value:
            raise OptionError(f"{where}: {part!r} is no option with a value. Write {EXAMPLE}.")
        if option in options:
            raise OptionError(f"{where}: option '{option}' stands twice. Leave one of them out.")
        options[option] = read_value(value, f"{where}, option '{option}'")
    return name.strip(), options


def read_value(text: str, where: str) -> Any:
    """A value as TOML would have it, or a plain word as a text."""
    if text.startswith(OPENING) and text.endswith(CLOSING):
        inside = text[1:-1].strip().removesuffix(",")
        return [read_value(part, where) for part in split_written(inside, where)] if inside else []
    if PLAIN_WORD.fullmatch(text) and text not in NUMBER_WORDS:
        return text
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (tomllib.TOMLDecodeError, ValueError):
        value = None
    if not isinstance(value, (bool, int, float, str)) or "\n" in text:
        raise OptionError(
            f"{where}: {text!r} is no value. Write a number, true or false, a text (in quotes if it is more than a "
            "word), or a list of these in brackets."
        )
    return value


def write_options(name: str, options: Mapping[str, Any]) -> str:
    """The one text of a name with options: sorted, without spaces; `read_written` reads it back."""
    if not options:
        return name
    return f"{name}[{','.join(f'{option}={write_value(options[option])}' for option in sorted(options))}]"


def write_value(value: Any) -> str:
    """A value as `read_value` reads it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(write_value(part) for part in value)}]"
    if isinstance(value, str) and PLAIN_WORD.fullmatch(value) and value not in NUMBER_WORDS:
        return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
