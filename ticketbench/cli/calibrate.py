"""`ticketbench board calibrate`: how often the marks of boards are wrong, and how much they find, by simulation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json

if TYPE_CHECKING:
    from ticketbench.results.calibration.kinds import Recorded
    from ticketbench.results.calibration.table import Calibration

DEFAULT_TIER = "small"
"""The tier whose boards the residuals come from, where none is named."""


@click.command("calibrate")
@click.argument("names", metavar="[SUITE/TIER]...", nargs=-1)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default="leaderboards",
    show_default=True,
    metavar="DIR",
    help="The folder of the boards that the residuals come from.",
)
@click.option(
    "--boards", type=click.IntRange(1), default=1000, show_default=True, help="How many of each are simulated."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all that is drawn.")
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Put the tables between FILE's marks.")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def calibrate_boards(
    names: tuple[str, ...],
    root: Path,
    boards: int,
    seed: int,
    write: Path | None,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    as_json: bool,
) -> None:
    """Simulate boards whose truth is known, and count false marks and what is found.

    How rows scatter from seed to seed comes from the boards that are named, or else from all of the tier small. The
    marks come from the functions that boards use; a paired t-test, the moderated t-test alone and exact sign flips
    stand beside them. Then families are looked at until they are decided, as `ticketbench run --until-decided` does.
    Exit status 1: alike sides get more false marks than 5 % of boards, beyond chance. 1,000 boards take some minutes.
    """
    from ticketbench.board.residuals import recorded_in
    from ticketbench.board.suites import Suites
    from ticketbench.files import write_bytes

    text = document(write) if write else ""
    recorded = recorded_in(chosen_folders(names, root), Suites(load(plugin_files, blocked)))
    shown = sys.stderr.isatty() and not as_json
    found = simulate(recorded, boards, seed, lambda said: click.echo(said, err=True) if shown else None)
    if write:
        from ticketbench.results.calibration.table import calibration_markdown, written_into

        write_bytes(write, (written_into(text, calibration_markdown(found)) or "").encode())
    if as_json:
        print_json(plain_calibration(found))
    else:
        print_calibration(found)
    sys.exit(0 if holds(found) else 1)


def chosen_folders(names: tuple[str, ...], root: Path) -> list[Path]:
    """The folders of the boards that are named, or of all small ones; without any, of all there are."""
    from ticketbench.board.build import board_folder, board_folders

    if names:
        return [board_folder(name, root) for name in names]
    known = board_folders(root)
    return [folder for folder in known if folder.name == DEFAULT_TIER] or known


def document(path: Path) -> str:
    """A document's text, which must have the marks."""
    from ticketbench.errors import OptionError
    from ticketbench.results.calibration.table import BEGIN, END, written_into

    if not path.is_file():
        raise OptionError(
            f"--write {path}: there is no such file. Give a document that has the lines {BEGIN} and {END}."
        )
    text = path.read_text(encoding="utf-8")
    if written_into(text, "") is None:
        raise OptionError(
            f"--write {path}: it needs the line {BEGIN} and after it {END}, once each; nothing was written."
        )
    return text


def simulate(recorded: Recorded, boards: int, seed: int, say: Callable[[str], None]) -> Calibration:
    """Boards of every kind, and then looks at those that are fair."""
    from ticketbench.results.calibration.boards import calibrate
    from ticketbench.results.calibration.kinds import FAIR, UNLIKE
    from ticketbench.results.calibration.looking import calibrate_looks
    from ticketbench.results.calibration.table import Calibration

    found = Calibration(recorded, boards, seed)
    for rates in calibrate(recorded, boards, (*FAIR, *UNLIKE), seed=seed):
        found.rates += rates
        say(f"{rates[0].kind}, {rates[0].seeds} seeds")
    for looks in calibrate_looks(recorded, boards, FAIR, seed=seed):
        found.looks.append(looks)
        say(f"{looks.kind}, looks from {looks.plan[0].seeds} seeds on")
    return found


def holds(found: Calibration) -> bool:
    """Whether alike sides get no more false marks than 5 % of boards, by the standard and by the plan of looks."""
    from ticketbench.results.calibration.boards import STANDARD
    from ticketbench.results.calibration.kinds import FAIR

    fair = {kind.name for kind in FAIR}
    mine = [one.holds for one in found.rates if one.test == STANDARD and one.kind in fair]
    return all(mine) and all(one.holds for one in found.looks)


def print_calibration(found: Calibration) -> None:
    """The tables for a person."""
    from ticketbench.cli.table import print_table
    from ticketbench.results.calibration.kinds import FAIR, UNLIKE
    from ticketbench.results.calibration.table import (
        BOARD_COLUMNS,
        LOOK_COLUMNS,
        LOOK_TITLE,
        board_lines,
        board_title,
        look_lines,
    )

    click.echo(found.about())
    for kind in (*FAIR, *UNLIKE):
        click.echo(f"{kind.name}: {kind.text}")
    click.echo()
    print_table(board_title(found.rates), board_lines(found.rates), BOARD_COLUMNS)
    click.echo()
    print_table(LOOK_TITLE, look_lines(found.looks), LOOK_COLUMNS)


def plain_calibration(found: Calibration) -> dict[str, Any]:
    """The same for a program."""
    from dataclasses import asdict

    return {
        "boards": found.boards,
        "seed": found.seed,
        "records": found.recorded.boards,
        "rows": len(found.recorded.rows),
        "comparisons": len(found.recorded.scales),
        "rates": [asdict(one) for one in found.rates],
        "looks": [asdict(one) for one in found.looks],
        "holds": holds(found),
    }
