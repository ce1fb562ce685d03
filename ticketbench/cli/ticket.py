"""`ticketbench ticket`: draw tickets without training them, look into ticket files, hand them to plain PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import (
    DEVICE,
    METHOD_HELP,
    PRECISION,
    TIER,
    load,
    plugin_options,
    print_json,
    suite_options,
)
from ticketbench.cli.completion import anything, axis, offering, rows
from ticketbench.render.numbers import amount

if TYPE_CHECKING:
    from ticketbench.masks.ticket import Ticket
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.plan import Plan

SUFFIX = ".safetensors"


@click.group("ticket")
def ticket_command() -> None:
    """Draw tickets, compare them, and export them for plain PyTorch."""


@ticket_command.command("draw")
@suite_options
@TIER
@click.option("--method", required=True, metavar="ROW", help=METHOD_HELP, shell_complete=offering(rows))
@click.option("--task", help="The task, where the suite has several.", shell_complete=axis("task"))
@click.option("--model", help="The model, where the suite has several.", shell_complete=axis("model"))
@click.option("--protocol", help="The protocol, where the suite has several.", shell_complete=axis("protocol"))
@click.option("--initializer", help="The initializer, where the suite has several.", shell_complete=axis("initializer"))
@click.option("--density", type=float, help="The share of weights kept, where the suite has several.")
@click.option("--seed", type=click.IntRange(0), help="The cell's seed. Default: the tier's first.")
@DEVICE
@PRECISION
@click.option("--out", required=True, metavar="FILE|DIR", help=f"A {SUFFIX} file; or a folder, for many cells.")
@plugin_options
def ticket_draw(
    suite_name: str,
    tier: str | None,
    method: str,
    density: float | None,
    seed: int | None,
    device: str,
    precision: str,
    out: str,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    **axes: str | None,
) -> None:
    """Draw the ticket of one cell, as a run would, and write it. It is neither trained further nor judged."""
    from ticketbench.cli.common import prepare
    from ticketbench.cli.crew import crew_here, pick_devices
    from ticketbench.plan.resolve import Resolver
    from ticketbench.tickets.draw import draw_tickets

    plugins = load(plugin_files, blocked)
    devices = pick_devices(device, 1)
    wanted: dict[str, Any] = {f"{axis}s": (name,) if name else () for axis, name in axes.items()}
    densities = () if density is None else (density,)
    plan, _ = prepare(
        plugins,
        suite_name,
        tier,
        crew_here(devices),
        None,
        precision,
        methods=(method,),
        densities=densities,
        **wanted,
    )
    cells = cells_of(plan, seed)
    target = Path(out)
    if target.suffix == SUFFIX and not target.is_dir():
        paths = {one_of(cells).key: target}
    else:
        paths = {cell.key: target / f"{cell.key}.ticket{SUFFIX}" for cell in cells}
    resolver = Resolver(plugins)
    resolver.require_data({cell.setting.fleet_text(): cell.setting for cell in cells}.values())
    make_folder(target.parent if target.suffix == SUFFIX else target)
    for fleet in plan.fleets(cells, devices[0], 1):
        for ticket in draw_tickets(
            fleet.cells, resolver, plan.suite.headline_of(fleet.cells[0].setting.task.name), devices[0]
        ):
            path = paths[ticket.about["key"]]
            save(ticket, path)
            click.echo(f"{path}: {kept_of(ticket)}")


def cells_of(plan: Plan, seed: int | None) -> list[Cell]:
    """The plan's cells of one seed, whether the tier has it or not."""
    from ticketbench.plan.cell import make_cell

    chosen = plan.cells[0].seed if seed is None else seed
    cells = (make_cell(cell.setting, cell.setting.text(), cell.density, chosen) for cell in plan.cells)
    return list({cell.key: cell for cell in cells}.values())


def one_of(cells: list[Cell]) -> Cell:
    """The only cell, or an error that lists all."""
    from ticketbench.errors import OptionError

    if len(cells) == 1:
        return cells[0]
    listed = "".join(
        f"\n  {cell.setting.row}, {cell.setting.task}, {cell.setting.model}, {cell.setting.protocol}, "
        f"{cell.setting.initializer}, density {cell.density:g}"
        for cell in cells
    )
    raise OptionError(
        f"{len(cells)} cells match, and --out names one file. Choose with --task, --model, --protocol, "
        f"--initializer and --density, or give --out a folder:{listed}"
    )


@ticket_command.command("inspect")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def inspect_tickets(files: tuple[str, ...], as_json: bool) -> None:
    """Show what tickets keep and where they came from; several are compared, in pairs, with chance beside it."""
    from ticketbench.tickets.inspection import compare_tickets, inspect
    from ticketbench.tickets.origin import load_ticket

    tickets = {path: load_ticket(path) for path in files}
    findings = [inspect(path, ticket) for path, ticket in tickets.items()]
    pairs = compare_tickets(tickets)
    if as_json:
        print_json({"tickets": findings, "pairs": pairs})
        return
    for found in findings:
        show_ticket(found)
    for pair in pairs:
        click.echo(f"{pair['first']} and {pair['second']}")
        for name, value in pair["overlap"].items():
            click.echo(f"  {name:9} {value:.4f}   by chance {pair['chance'][name]:.4f}")


def show_ticket(found: dict[str, Any]) -> None:
    """A ticket for a person: where it comes from, and density and dead units layer by layer."""
    click.secho(found["file"], bold=True)
    for name, value in found["origin"].items():
        click.echo(f"  {name:9} {value}")
    kept, total = found["kept"], found["prunable"]
    click.echo(f"  {'keeps':9} {kept:,} of {total:,} weights, density {found['density']:.6g}")
    click.echo(
        f"  {'holds':9} {found['parameters']:,} parameters and statistics, file of {amount(found['bytes'], 'B')}"
    )
    wide = max((len(layer["name"]) for layer in found["layers"]), default=0)
    for layer in found["layers"]:
        collapsed = "   collapsed" if layer["collapsed"] else ""
        click.echo(
            f"  {layer['name']:{wide}}  {layer['kept']:>10,} of {layer['size']:>10,}  {layer['density']:8.4f}   "
            f"{layer['unreached']} of {layer['units']} units without input, "
            f"{layer['unread']} of {layer['inputs']} inputs unread{collapsed}"
        )


@ticket_command.command("probe")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--probe",
    "names",
    multiple=True,
    required=True,
    metavar="PROBE",
    help="A probe, or 'NAME {\"option\": value}'.",
    shell_complete=anything("probe"),
)
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def probe_tickets(
    files: tuple[str, ...],
    names: tuple[str, ...],
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    as_json: bool,
) -> None:
    """Let probes look at saved tickets and solutions; of several, each meets the others as its companions."""
    from ticketbench.plan.resolve import Resolver
    from ticketbench.tickets.origin import load_ticket
    from ticketbench.tickets.saved import look, probe_of

    resolver = Resolver(load(plugin_files, blocked))
    probes = [probe_of(name, resolver) for name in names]
    tickets = {path: load_ticket(path) for path in files}
    seen = {path: [one.to_plain() for one in look(path, tickets, probes, resolver)] for path in tickets}
    if as_json:
        print_json(seen)
        return
    for path, findings in seen.items():
        click.secho(path, bold=True)
        for one in findings:
            shown = (
                f"{one['value']:.6g}" if "value" in one else f"{len(one['points'])} points over {one['x_name']}: --json"
            )
            click.echo(f"  {one['probe']}  {one['name']}  {shown}")


@ticket_command.command("export")
@click.argument("file", metavar="FILE")
@click.option("--out", required=True, metavar="FILE", help=f"The {SUFFIX} file to write.")
@click.option("--compact", "smaller", is_flag=True, help="Leave out units that take no part: smaller dense layers.")
@click.option("--dtype", type=click.Choice(["float64", "float32", "float16", "bfloat16"]), help="Round numbers to it.")
@plugin_options
def export_ticket(
    file: str, out: str, smaller: bool, dtype: str | None, plugin_files: tuple[str, ...], blocked: tuple[str, ...]
) -> None:
    """Write a state dict that plain PyTorch loads: masked weights are zero, and nothing else is in it.

    With --compact the network is smaller and computes the same. A solution's constant units move into biases;
    a ticket's stay, since training could still change them.
    """
    from ticketbench.plan.resolve import Resolver
    from ticketbench.tickets.export import export, layers_of
    from ticketbench.tickets.origin import build_network, load_ticket

    ticket = load_ticket(file)
    module = build_network(ticket, file, Resolver(load(plugin_files, blocked)))
    written = export(module, ticket, Path(out), smaller, dtype)
    click.echo(f"{out}: {sum(part.numel() for part in written.parameters()):,} parameters. To load it:")
    click.echo("  from safetensors.torch import load_file")
    click.echo(f"  model.load_state_dict(load_file({out!r}))")
    click.echo("where model has the layers" if smaller else "where model is the network of its cell, with the layers")
    for name, layer in layers_of(written).items():
        click.echo(f"  {name}: {layer}")


def make_folder(folder: Path) -> None:
    """The folder is there, or an `OptionError` says why not."""
    from ticketbench.errors import OptionError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out: cannot make the folder {folder}: {error.strerror}") from None


def save(ticket: Ticket, path: Path) -> None:
    """Save a ticket, or say why that cannot be done."""
    from safetensors import SafetensorError

    from ticketbench.errors import OptionError

    try:
        ticket.save(path)
    except (OSError, SafetensorError) as error:
        raise OptionError(f"--out: cannot write {path}: {error}") from None


def kept_of(ticket: Ticket) -> str:
    """What a ticket keeps, in a line."""
    kept, total = sum(int(part.sum()) for part in ticket.mask.values()), sum(p.numel() for p in ticket.mask.values())
    return f"{kept:,} of {total:,} weights"
