"""Building boards: every <suite>/<tier>/submissions/ becomes a README.md, an index.html and charts; and a front page.

A file is written only where its content is another, so that a second build changes nothing and a changed record
changes only its own board's files, and the front page where that shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ticketbench.board.bundle.opening import open_records
from ticketbench.board.claims import ClaimLine, claim_lines
from ticketbench.board.front import Shown
from ticketbench.board.markdown import board_markdown, is_made
from ticketbench.board.seen import Seen, seen_of
from ticketbench.board.settings import Settings, read_settings
from ticketbench.board.submission import Submission, read_submissions, submission_folders
from ticketbench.board.suites import Suites
from ticketbench.board.table import Judged, Table, tables_of
from ticketbench.board.words import all_lines, family, file_name, line_names, setting_names
from ticketbench.errors import StoreError, TicketbenchError, UnknownNameError
from ticketbench.files import write_bytes
from ticketbench.results.judgement import judge
from ticketbench.results.results import gather_results

CHARTED = 24
"""Settings of a table that have charts."""
ABOUT = "about.md"
CHARTS = "charts"
ANSWER = f"{CHARTS}/answer.svg"
"""The first screen's picture, for Markdown."""
DRAWN = re.compile(r"[a-z0-9-]+\.(?:svg|png|pdf)")
"""Of a chart's file; earlier builds wrote three formats."""


@dataclass
class Board:
    """One suite at one tier, as its folder has it."""

    suite: str
    tier: str
    title: str
    about: str
    tables: list[Table]
    troubles: list[str] = field(default_factory=list)
    """Submissions that were set aside, and why."""
    judged: Judged | None = None
    """The answers to the suite's questions, and the findings on its claims, of the reference submission."""

    @cached_property
    def seen(self) -> Seen:
        """What is said of it first."""
        return seen_of(self.tier, self.tables, self.judged)

    @property
    def name(self) -> str:
        """The suite and the tier, as a heading has them."""
        return f"{self.suite}, tier {self.tier}"

    def counts(self) -> dict[str, int]:
        """How many submissions, places, complete and incomplete entries there are."""
        places = [place for table in self.tables for place in table.places]
        return {
            "submissions": len({name for table in self.tables for name in table.submissions}),
            "places": len(places),
            "entries": sum(len(place.standings) for place in places),
            "incomplete": sum(len(place.incomplete) for place in places),
            "set aside": len(self.troubles),
        }

    def summary(self) -> str:
        """The counts of the board as one line: "2 submissions, 1 place, 6 entries" and so on."""
        one = {"submissions": "submission", "places": "place", "entries": "entry"}
        return ", ".join(
            f"{count:,} {one.get(name, name) if count == 1 else name}" for name, count in self.counts().items()
        )


def board_folders(root: Path) -> list[Path]:
    """The folders <suite>/<tier> that have submissions, by name."""
    found = sorted(path.parent for path in root.glob("*/*/submissions") if path.is_dir() and not path.is_symlink())
    if not found:
        raise StoreError(
            f"{root} has no boards. A board is a folder <suite>/<tier>/submissions/ with a folder for each submission."
        )
    return found


def board_folder(name: str, root: Path) -> Path:
    """The folder of a board that is named as suite/tier."""
    known = {f"{folder.parent.name}/{folder.name}": folder for folder in board_folders(root)}
    if name not in known:
        raise UnknownNameError("board", name, known, str(root))
    return known[name]


def read_board(folder: Path, root: Path, suites: Suites) -> Board:
    """A board out of its folder; a submission that cannot be read is set aside, with the reason."""
    suite_name, tier = folder.parent.name, folder.name
    suite = suites.find(suite_name)
    about = folder / ABOUT
    board = Board(suite_name, tier, suite.title if suite else suite_name, "", [])
    board.about = about.read_text(encoding="utf-8") if about.is_file() else ""
    settings = read_settings(folder, root)
    board.judged = judged_in(folder, board, settings, suites)
    board.tables = tables_of(fitting(folder, board, suites), settings, suite, board.judged)
    return board


def judged_in(folder: Path, board: Board, settings: Settings, suites: Suites) -> Judged | None:
    """What is decided in the questions and claims of the board's reference submission, where it has one."""
    place = folder / "submissions" / settings.reference
    suite = suites.find(board.suite)
    if suite is None or suites.plugins is None or board.tier not in suite.tiers or not place.is_dir():
        return None
    try:
        results = gather_results(open_records(str(place)), suite, board.tier, suites.plugins)
    except (TicketbenchError, OSError, ValueError):
        return None  # whoever reads the submission for the tables says why
    setting = (suite.name, suite.version, board.tier, results.precision, results.device_class)
    return Judged(setting, results, judge(results))


def fitting(folder: Path, board: Board, suites: Suites) -> Iterator[Submission]:
    """The submissions of a folder that belong on its board, one by one, without cells that it has no place for."""
    for place in submission_folders(folder):
        try:
            found = read_submissions(place, find=suites.find)
        except (TicketbenchError, OSError, ValueError) as error:
            board.troubles.append(f"{place.name}: {error}")
            continue
        if not found:
            board.troubles.append(f"{place.name}: it has no cells")
        for submission in found:
            if (submission.suite, submission.tier) == (board.suite, board.tier):
                kept, foreign = suites.belonging(submission)
                if foreign:
                    board.troubles.append(f"{place.name}: {foreign} cells that the tier {board.tier} does not have")
                yield kept
            else:
                board.troubles.append(
                    f"{place.name}: {len(submission.cells)} cells of suite {submission.suite}, tier {submission.tier}; "
                    f"this board is of {board.name}"
                )


def write_board(board: Board, folder: Path) -> list[Path]:
    """A board's files; returns those that are new or have changed."""
    from ticketbench.board.charts import CHART_KINDS  # with pages and files, what only building needs
    from ticketbench.board.pages import board_page
    from ticketbench.render.sketch import standing_alone

    contents: dict[str, bytes] = {}
    charts = [draw_charts(board, table, folder, contents) for table in board.tables]
    pictures = [
        (f"{name}: {CHART_KINDS[kind]}", chart["usermeta"]["file"])
        for drawn in charts
        for name, kinds in drawn.items()
        for kind, chart in kinds.items()
    ]
    if board.seen.first is not None and board.seen.first.sketch:
        contents[ANSWER] = standing_alone(board.seen.first.sketch).encode()
    text = board_markdown(board.name, board.about, board.tables, board.troubles, pictures, board.seen)
    contents["README.md"] = text.encode()
    title, summary = f"{board.title}: {board.name}", board.summary()
    page = board_page(title, summary, board.about, board.tables, board.troubles, charts, board.seen)
    contents["index.html"] = page.encode()
    return write_files(folder, contents)


def draw_charts(
    board: Board, table: Table, folder: Path, contents: dict[str, bytes]
) -> dict[str, dict[str, dict[str, Any]]]:
    """A table's charts by setting and kind; each says where its file is, which is added to the contents."""
    from ticketbench.board.chart_files import chart_file
    from ticketbench.board.charts import charts_of

    names, lines = setting_names(list(dict.fromkeys(place.setting for place in table.places))), line_names(table)
    drawn = {}
    for setting, name in list(names.items())[:CHARTED]:
        where = f"{board.name}: {name}; {table.title}"
        found = charts_of(table, setting, lines, where)
        for kind, chart in found.items():
            place = f"{CHARTS}/{file_name(kind, name, table.title)}.svg"
            contents[place] = chart_file(chart, folder / place)
            chart["usermeta"]["file"] = place
        if found:
            drawn[name] = found
    return drawn


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write what has changed of a board, and remove charts that are no longer drawn."""
    readme = folder / "README.md"
    if not is_made(readme):
        raise StoreError(
            f"{readme} was written by hand, and `board build` would write over it. Rename it to {ABOUT}: its text "
            "becomes a part of the board."
        )
    return write_made(folder, contents, CHARTS, DRAWN)


def write_made(folder: Path, contents: Mapping[str, bytes], stale: str, names: re.Pattern[str]) -> list[Path]:
    """Write what differs; of the folder `stale`, files with such names that are no longer made are removed."""
    changed = []
    try:
        for place, content in contents.items():
            path = folder / place
            if path.is_symlink() or path.parent.is_symlink():
                raise StoreError(f"{path} is a link, and a board writes only inside its folder. Remove the link.")
            path.parent.mkdir(exist_ok=True)
            if not path.is_file() or path.read_bytes() != content:
                write_bytes(path, content)
                changed.append(path)
        if (folder / stale).is_symlink():
            raise StoreError(f"{folder / stale} is a link, and a board writes only inside its folder. Remove the link.")
        for path in sorted((folder / stale).glob("*.*")):
            if names.fullmatch(path.name) and f"{stale}/{path.name}" not in contents:
                path.unlink()
                changed.append(path)
    except OSError as error:
        raise StoreError(f"cannot write the board {folder}: {error.strerror or error}.") from None
    return changed


def build_boards(root: Path, suites: Suites) -> tuple[list[Shown], list[Path]]:
    """All boards, one after the other, and the front page; returns what it shows and the files that changed."""
    from ticketbench.board.assets import FOLDER, MADE, assets
    from ticketbench.board.claims_page import CLAIMS_FOLDER, claims_markdown, claims_page
    from ticketbench.board.front import front_markdown, front_page, fronted

    folders = board_folders(root)
    shared = {f"{FOLDER}/{asset.name}": asset.content for asset in assets().values()}
    changed = write_made(root, shared, FOLDER, MADE)
    seen: list[tuple[Shown, Seen]] = []
    for folder in folders:
        board = read_board(folder, root, suites)
        changed += write_board(board, folder)
        seen.append((shown_of(board), board.seen))
    shown = [one for one, _ in seen]
    claims = all_claims(seen, suites)
    about = root / ABOUT
    text = about.read_text(encoding="utf-8") if about.is_file() else ""
    parts = fronted(seen, claims)
    contents = {
        "README.md": front_markdown(shown, text, parts, len(claims)).encode(),
        "index.html": front_page(shown, text, parts, len(claims)).encode(),
    }
    if claims:
        (root / CLAIMS_FOLDER).mkdir(exist_ok=True)
        pages = {"README.md": claims_markdown(claims).encode(), "index.html": claims_page(claims).encode()}
        changed += write_files(root / CLAIMS_FOLDER, pages)
    return shown, changed + write_files(root, contents)


def all_claims(seen: Sequence[tuple[Shown, Seen]], suites: Suites) -> list[ClaimLine]:
    """The claims of every suite that has a judged board."""
    found: list[ClaimLine] = []
    for name in dict.fromkeys(shown.suite for shown, _ in seen):
        suite = suites.find(name)
        tiers = {shown.tier: one.claims for shown, one in seen if shown.suite == name and one.claims}
        if suite is not None and tiers:
            found += claim_lines(suite, tiers)
    return found


def shown_of(board: Board) -> Shown:
    """A board as the front page has it."""
    lines = [line for table in board.tables for line in all_lines(table)]
    return Shown(
        board.suite,
        board.tier,
        board.title,
        board.counts(),
        tuple(board.troubles),
        tasks=tuple(sorted({family(line.setting.task) for line in lines})),
        methods=tuple(sorted({family(line.method) for line in lines})),
        tables=tuple(table.title for table in board.tables),
        answer=board.seen.first.answer if board.seen.first else "",
        decided=board.seen.decided,
    )
