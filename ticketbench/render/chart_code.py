"""The charts' JavaScript, to stand inside a page."""

from __future__ import annotations

import re
from functools import cache

import vl_convert


@cache
def chart_library() -> str:
    """The charts' JavaScript, without what would end or confuse a script element."""
    code = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return re.sub(r"<(/script|!--)", r"<\\\1", code, flags=re.IGNORECASE)
