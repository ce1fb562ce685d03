"""`ticketbench doctor`: is this machine ready?"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import rich_click as click

from ticketbench.cli.common import plugin_options, print_json
from ticketbench.render.numbers import amount

ENOUGH_DISK = 1e9


@click.command("doctor")
@plugin_options
@click.option(
    "--store", "store_address", default="./results", show_default=True, metavar="DIR", help="The store to check."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def doctor_command(plugin_files: tuple[str, ...], blocked: tuple[str, ...], store_address: str, as_json: bool) -> None:
    """Check versions, devices, plugins, suites and the store; exit status 1 if anything needs attention."""
    findings = list(examine(plugin_files, blocked, store_address))
    if as_json:
        print_json([{"ok": ok, "check": check, "finding": finding} for ok, check, finding in findings])
    else:
        for ok, check, finding in findings:
            click.echo(click.style("ok  " if ok else "look", fg="green" if ok else "red") + f" {check}: {finding}")
    sys.exit(0 if all(ok for ok, _, _ in findings) else 1)


def examine(
    plugin_files: tuple[str, ...], blocked: tuple[str, ...], store_address: str
) -> Iterator[tuple[bool, str, str]]:
    """(fine?, what was checked, what was found)."""
    import torch

    from ticketbench.cli.common import finished_in
    from ticketbench.errors import TicketbenchError
    from ticketbench.plan.plan import make_plan
    from ticketbench.plugin.loading import load_plugins
    from ticketbench.store.environment import environment_of
    from ticketbench.suite.suite import read_suite

    plugins = load_plugins(plugin_files, blocked)
    facts = environment_of(plugins)
    yield (
        True,
        "ticketbench",
        f"{facts.ticketbench} {facts.commit[:12]}{' (changed)' if facts.dirty else ''}".strip(),
    )
    yield True, "python", f"{facts.python} on {facts.system}"
    yield True, "torch", facts.torch
    yield True, "processor", f"{facts.processor}, {facts.cores} cores, {amount(facts.memory or 0, 'B')} of memory"
    yield works_on("cpu")
    if torch.cuda.is_available():
        yield True, "gpu", facts.accelerators
        yield works_on("cuda")
    else:
        yield True, "gpu", "none: suites run their small tier on the CPU"
    yield sparse_engine()
    for broken in plugins.broken:
        yield False, "plugin", f"{broken.origin}: {broken.reason}"
    yield True, "plugins", f"{len(plugins.origins)} loaded"
    for name, entry in plugins.items["suite"].items():
        try:
            suite = read_suite(entry.item)
            counts = {tier: len(make_plan(suite, tier, plugins).cells) for tier in suite.tiers}
            yield True, f"suite {name}", ", ".join(f"{tier} {count} cells" for tier, count in counts.items())
        except TicketbenchError as error:
            yield False, f"suite {name}", str(error)
    try:
        yield True, "store", f"{store_address}: {len(finished_in(store_address))} finished cells"
    except TicketbenchError as error:
        yield False, "store", str(error)
    if "://" not in store_address:
        place = next(
            parent
            for parent in [Path(store_address).absolute(), *Path(store_address).absolute().parents]
            if parent.exists()
        )
        free = shutil.disk_usage(place).free
        yield free > ENOUGH_DISK, "disk", f"{amount(free, 'B')} free at {place}"


def sparse_engine() -> tuple[bool, str, str]:
    """Whether the machine for live weights is compiled, and how it computes here; it may be absent, but not broken."""
    from ticketbench.sparse import library

    problem = library.missing()
    if not problem:
        return True, "sparse engine", f"compiled, computes by {library.best()} here"
    absent = not library.present()
    return absent, "sparse engine", f"none, so that tickets train at the cost of dense networks: {problem}"


def works_on(device: str) -> tuple[bool, str, str]:
    """Whether stacked training works there: one gradient of three stacked networks against one by one."""
    import torch
    from torch.func import grad, vmap

    weights = torch.randn(3, 4, 5, device=device)
    inputs = torch.randn(3, 7, 4, device=device)

    def loss(weight: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return torch.relu(batch @ weight).square().sum()

    try:
        together = vmap(grad(loss))(weights, inputs)
        alone = torch.stack([grad(loss)(weight, batch) for weight, batch in zip(weights, inputs, strict=True)])
    except RuntimeError as error:
        return False, f"stacked training on {device}", str(error)
    difference = float((together - alone).abs().max())
    return difference < 1e-3, f"stacked training on {device}", f"differs from single by {difference:.1e}"
