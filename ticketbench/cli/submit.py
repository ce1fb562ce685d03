"""`ticketbench submit`: a bundle for a leaderboard, out of a store."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json, suite_option
from ticketbench.cli.completion import offering, tiers


@click.command("submit")
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@suite_option("A suite, or a TOML file.")
@click.option("--tier", help="The tier; a bundle has one.", shell_complete=offering(tiers))
@click.option("--store", "store_address", default="./results", show_default=True, help="Where records are.")
@click.option("--name", help="The submission's name; its folder has the same.")
@click.option("--who", help="Who submits: a person or a group, as it will be shown.")
@click.option("--code", metavar="URL", help="Where its code can be read (https); shown as a link.")
@click.option("--paper", metavar="URL", help="Where it is described (https); shown as a link.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of submissions. Default: leaderboards/SUITE/TIER/submissions.",
)
@click.option("--precision", default="", help="fp32, tf32 or bf16. Default: what most cells have.")
@click.option("--device", "device_class", default="", help="cpu or cuda. Default: what most cells have.")
@click.option("--check", is_flag=True, help="Write nothing: check the store, or the bundle that is named.")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def submit_command(
    bundle: Path | None,
    suite_name: str | None,
    tier: str | None,
    store_address: str,
    name: str | None,
    who: str | None,
    code: str | None,
    paper: str | None,
    output: Path | None,
    precision: str,
    device_class: str,
    check: bool,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a bundle: the records of one tier of a suite, a manifest, and a hash over all of it.

    `ticketbench submit --check BUNDLE` looks whether a bundle is in order.
    """
    plugins = load(plugin_files, blocked)
    from ticketbench.board.bundle.belonging import belonging_of
    from ticketbench.board.bundle.making import draft, remarks, write_bundle
    from ticketbench.board.bundle.reading import Bundle
    from ticketbench.board.bundle.refusal import shown_text
    from ticketbench.plan.plan import find_suite

    if bundle is not None:
        if not check:
            raise click.UsageError(
                f"{shown_text(str(bundle))}: a bundle is only read with --check. Leave it out to make one."
            )
        from ticketbench.board.verification import open_bundle

        found, suite, plan = open_bundle(bundle, plugins, suite_name)
        rows = found.cells()
        report(found, remarks(rows, plan.cells, belonging_of(rows, plan.cells, suite)), "in order", as_json)
        return
    needed = {"--suite": suite_name, "--tier": tier, **({} if check else {"--name": name, "--who": who})}
    missing = [option for option, value in needed.items() if not value]
    if missing or not (suite_name and tier):
        raise click.UsageError(f"a bundle needs {', '.join(missing)}. `ticketbench submit --help` shows how.")
    from ticketbench.store.store import Store

    suite = find_suite(suite_name, plugins)
    made = draft(
        Store(store_address),
        suite,
        tier,
        plugins,
        name or "checked",
        who or "nobody",
        precision,
        device_class,
        code,
        paper,
    )
    folder = Path(made.manifest.name)
    if not check:
        folder = write_bundle(made, output or Path("leaderboards") / suite.name / tier / "submissions")
    said = "could be submitted; nothing was written" if check else f"written to {folder}"
    report(Bundle(folder, made.manifest, made.tables), made.notes, said, as_json)


def report(bundle: object, notes: list[str], said: str, as_json: bool) -> None:
    """What the bundle holds, for a person or a program."""
    from ticketbench.board.bundle.reading import Bundle

    assert isinstance(bundle, Bundle)
    manifest = bundle.manifest
    rows = {table: content.num_rows for table, content in bundle.tables.items()}
    if as_json:
        facts = {"name": manifest.name, "hash": manifest.hash, "folder": str(bundle.folder), "said": said}
        print_json({**facts, "rows": rows, "methods": [method.row for method in manifest.methods], "notes": notes})
        return
    click.echo(
        f"{manifest.name}: suite {manifest.suite} {manifest.suite_version}, tier {manifest.tier}, "
        f"{manifest.precision} on {manifest.device_class}; rows {', '.join(method.row for method in manifest.methods)}"
    )
    click.echo(f"{', '.join(f'{count} {table}' for table, count in rows.items())}; hash {manifest.hash}")
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(said)
