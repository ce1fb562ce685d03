"""What all pages share, once beside the boards: the table and the chart library, the style, and the pages' scripts.

A name carries the hash of what is in the file, so that a page can never meet another version than the one it was made
with. Scripts are classic ones: of a page that was opened from disk, browsers refuse modules.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ticketbench.render.chart_code import chart_library

FOLDER = "assets"
MADE = re.compile(r"[a-z]+\.[0-9a-f]{12}\.(?:js|css)")
"""Of a file that is made; what else lies in the folder is left alone."""
STYLES = ("tables.css", "style.css")
SCRIPTS = {
    "front": ("tables.js", "front.js"),
    "board": ("tables.js", "board.js"),
    "claims": ("claims.js",),
    "charts": ("charts.js",),
}
"""Page -> the files that it runs, in order; "charts" is what a page with charts runs before them."""
INCLUDE = re.compile(r'^\{% include "(\w+\.js)" %\}$', re.MULTILINE)


class Asset(NamedTuple):
    """A file beside the boards."""

    name: str
    content: bytes


@cache
def assets() -> dict[str, Asset]:
    """The files by their plain names: "tables.js" is kept under a name with its hash."""
    code, style = table_library()
    own = "\n".join(template(name) for name in ("style.css", "tables.css"))
    texts = {
        "tables.js": code,
        "tables.css": style,
        "charts.js": f"(() => {{{chart_library()}\n}})();\n",
        "style.css": own,
        "board.js": closed(template("kit.js") + template("board.js")),
        "claims.js": closed(template("kit.js") + template("claims.js")),
        "front.js": closed(template("kit.js") + template("front.js")),
    }
    return {name: Asset(hashed_name(name, text.encode()), text.encode()) for name, text in texts.items()}


def hashed_name(name: str, content: bytes) -> str:
    """The name board.js as board.0123456789ab.js."""
    stem, _, ending = name.partition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"


def template(name: str) -> str:
    """A script or a style of the pages, with the scripts that it includes in their places."""
    text = (files("ticketbench.board") / "templates" / name).read_text(encoding="utf-8")
    return INCLUDE.sub(lambda found: template(found[1]), text)


def closed(code: str) -> str:
    """A script whose names are its own."""
    return f'"use strict";\n(() => {{\n{code}}})();\n'


@cache
def table_library() -> tuple[str, str]:
    """DataTables with jQuery, as itables ships it: code that sets window.DataTable and window.jQuery, and its style."""
    folder = files("itables") / "html"
    code = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    names = re.search(r"export\{([^}]*)\}", code)
    if names is None:
        raise RuntimeError("itables' bundle exports nothing: this ticketbench knows itables 2.9")
    exported = {public: own for own, _, public in (pair.partition(" as ") for pair in names[1].split(","))}
    hand_over = f"window.DataTable={exported['default']};window.jQuery={exported['jQuery']};"
    code = code[: names.start()] + hand_over + code[names.end() :]
    return f'"use strict";\n(() => {{\n{code}\n}})();\n', (folder / "dt_bundle.css").read_text(encoding="utf-8")


def shared_files(page: str, root: str, charts: bool = False) -> dict[str, list[str]]:
    """The styles and scripts of a kind of page that lies `root` below the boards, as it refers to them."""
    scripts = (*(SCRIPTS["charts"] if charts else ()), *SCRIPTS[page])
    named = {"styles": STYLES, "scripts": scripts}
    return {kind: [f"{root}{FOLDER}/{assets()[name].name}" for name in names] for kind, names in named.items()}
