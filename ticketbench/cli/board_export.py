"""`ticketbench board export`: a table of a board as CSV, LaTeX or Markdown, for papers and spreadsheets."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from ticketbench.cli.common import load, plugin_options

EXPORTED = ("answers", "overall", "places", "claims", "thresholds")
TABLE_HELP = (
    "answers: the questions' comparisons. overall: rows over many places. places: every entry. claims: verdicts beside "
    "the paper's numbers. thresholds: how far down rows are as good as dense."
)


@click.command("export")
@click.argument("name", metavar="SUITE/TIER")
@click.option("--table", type=click.Choice(EXPORTED), default="overall", show_default=True, help=TABLE_HELP)
@click.option(
    "--format", "form", type=click.Choice(["csv", "latex", "markdown"]), default="csv", show_default=True, help="Of it."
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: standard output.")
@click.option("--task", "tasks", multiple=True, help="Only this task; repeatable.")
@click.option("--model", "models", multiple=True, help="Only this model; repeatable.")
@click.option("--density", "densities", multiple=True, type=float, help="Only this density, as 0.05; repeatable.")
@click.option("--row", "rows", multiple=True, help="Only this row; repeatable.")
@click.option("--plus-minus", is_flag=True, help="Intervals as mean ± half width, where they are even.")
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default="leaderboards",
    show_default=True,
    metavar="DIR",
    help="The folder of the boards: <suite>/<tier>/submissions/.",
)
@plugin_options
def export_table(
    name: str,
    table: str,
    form: str,
    output: Path | None,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    densities: tuple[float, ...],
    rows: tuple[str, ...],
    plus_minus: bool,
    root: Path,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
) -> None:
    """Write a table of a board for a paper or a spreadsheet: CSV with all digits, LaTeX with booktabs, or Markdown."""
    from ticketbench.board.build import board_folder, read_board
    from ticketbench.board.export.chosen import Chosen
    from ticketbench.board.export.sheets import exported
    from ticketbench.board.suites import Suites

    board = read_board(board_folder(name, root), root, Suites(load(plugin_files, blocked)))
    for trouble in board.troubles:
        click.echo(f"ticketbench: set aside: {trouble}", err=True)
    text = exported(board, table, form, Chosen(tasks, models, densities, rows), plus_minus)
    if output is None:
        click.echo(text, nl=False)
    else:
        save_text(text, output)
        click.echo(f"{output}: the {table} of {board.name}")


def save_text(text: str, output: Path) -> None:
    """Write a file, whole or not at all; a `StoreError` says why it cannot be written."""
    from ticketbench.errors import StoreError
    from ticketbench.files import write_bytes

    try:
        write_bytes(output, text.encode())
    except OSError as error:
        remedy = "Give a file in a folder that exists and can be written to."
        raise StoreError(f"cannot write {output}: {error.strerror or error}. {remedy}") from None
