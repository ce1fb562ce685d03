"""`ticketbench equivalence`: whether a lower precision changes results by less than another seed does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import check_precision, finite, load, matrix_options, prepare, print_json
from ticketbench.cli.progress import say_hello
from ticketbench.cli.run import compute_plan

if TYPE_CHECKING:
    from ticketbench.plan.plan import Plan
    from ticketbench.results.equivalence import EquivalenceTest, PairedRows
    from ticketbench.store.schema import CellRecord, Environment
    from ticketbench.store.store import Store

ROWS, SEEDS = 3, 5
"""How many rows and seeds are compared where the command line does not say."""
FACTS = ("ticketbench", "python", "torch", "numpy", "processor", "accelerators")
"""What the result says of the environments that its cells were computed in."""


@click.command("equivalence")
@matrix_options
@click.option("--against", default="fp32", show_default=True, help="The precision that is trusted.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the result there, as JSON.")
def equivalence_command(
    suite_name: str,
    tier: str | None,
    methods: tuple[str, ...],
    seeds: int | None,
    device: str,
    precision: str,
    against: str,
    workers: int | None,
    fleet_size: int | None,
    store_address: str,
    as_json: bool,
    out: Path | None,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    **selected: Any,
) -> None:
    """Show that --precision gives the results of --against, or that this is not shown.

    Cells of both precisions are computed as `ticketbench run` does, and paired by row and seed: the first three rows
    and five seeds, unless --method and --seeds say others. Two one-sided t-tests at 5 % ask whether the mean
    difference, a block a seed, lies within half a standard deviation over seeds. Exit status 0: equivalent in every
    comparison; 1: not shown; 2: wrong usage.
    """
    from dataclasses import replace

    from ticketbench.cli.crew import crew_here, pick_devices
    from ticketbench.errors import OptionError
    from ticketbench.files import write_bytes
    from ticketbench.results.equivalence import paired_rows
    from ticketbench.store.store import Store

    check_precisions(precision, against)
    selected["engine"] = "full"  # precisions are compared, and the sparse engine has one
    if out is not None and not out.parent.is_dir():
        raise OptionError(f"--out {out}: there is no folder {out.parent}")
    if not as_json:
        say_hello(suite_name)
    plugins = load(plugin_files, blocked)
    crew = crew_here(pick_devices(device, workers))
    selected["seeds"] = SEEDS if seeds is None else seeds
    whole, why = prepare(plugins, suite_name, tier, crew, None, against, methods=methods, **selected)
    rows = methods or tuple(dict.fromkeys(cell.setting.row for cell in whole.cells))[:ROWS]
    trusted, other = (
        prepare(plugins, suite_name, tier, crew, None, name, methods=rows, **selected)[0]
        for name in (against, precision)
    )
    store = Store(store_address, create=True)
    both = replace(trusted, cells=(*trusted.cells, *other.cells))
    compute_plan(both, why, plugins, crew, store, fleet_size=fleet_size or 0, quiet=as_json)
    sides = [store.records(cell.key for cell in plan.cells) for plan in (trusted, other)]
    comparisons = paired_rows(*sides)
    result = {
        **heading(other, against),
        "comparisons": [comparison.as_plain() for comparison in comparisons],
        "environments": environment_facts(store, [record for side in sides for record in side]),
        "equivalent": all(comparison.equivalent for comparison in comparisons),
    }
    if out is not None:
        write_bytes(out, (json.dumps(finite(result), indent=2, ensure_ascii=False) + "\n").encode())
    if as_json:
        print_json(result)
    else:
        for comparison in comparisons:
            show_comparison(comparison, precision, against)
    sys.exit(0 if result["equivalent"] else 1)


def check_precisions(precision: str, against: str) -> None:
    """Two precisions that exist and differ, or an `OptionError` that says what to give."""
    from ticketbench.errors import OptionError

    if not precision:
        raise OptionError("--precision is missing: the precision to compare with --against, such as bf16 or tf32")
    check_precision(precision, "--precision")
    check_precision(against, "--against")
    if precision == against:
        raise OptionError(f"--precision and --against are both {precision}: give two precisions")


def heading(plan: Plan, against: str) -> dict[str, Any]:
    """What was compared, and by what rule."""
    from ticketbench.plan.cell import ENGINE_VERSION
    from ticketbench.results.equivalence import SHARE_OF_DEVIATION
    from ticketbench.results.stats import ALPHA

    setting = plan.cells[0].setting
    return {
        "suite": plan.suite.name,
        "version": plan.suite.version,
        "tier": plan.tier,
        "device_class": setting.device_class,
        "precision": setting.precision,
        "against": against,
        "rows": list(dict.fromkeys(cell.setting.row for cell in plan.cells)),
        "seeds": list(dict.fromkeys(cell.seed for cell in plan.cells)),
        "level": ALPHA,
        "margin_in_deviations": SHARE_OF_DEVIATION,
        "engine": ENGINE_VERSION,
    }


def environment_facts(store: Store, records: Sequence[CellRecord]) -> list[dict[str, str]]:
    """Versions and hardware behind the records, each environment once."""
    from ticketbench.store.tables import environments_of

    used = {record.environment for record in records}
    known: list[Environment] = environments_of(store.read("environments"))
    found = [{name: getattr(one, name) for name in FACTS} for one in known if one.environment in used]
    return [facts for at, facts in enumerate(found) if facts not in found[:at]]


def show_comparison(comparison: PairedRows, precision: str, against: str) -> None:
    """A table for a person: every row, then all of them together and the verdict."""
    from statistics import fmean

    from ticketbench.cli.table import print_table
    from ticketbench.results.equivalence import headlines

    lines = [
        (
            row.row,
            f"{row.density:g}",
            str(len(row.trusted)),
            f"{fmean(headlines(row.trusted)):.4f}",
            f"{fmean(headlines(row.other)):.4f}",
            *columns_of_test(row.test),
        )
        for row in comparison.rows
    ]
    if comparison.test.differences:
        lines.append(
            (
                "together, in deviations",
                "",
                str(len(comparison.test.differences)),
                "",
                "",
                *columns_of_test(comparison.test),
            )
        )
    task, model, protocol, initializer, _ = comparison.axes
    title = f"{comparison.metric}: {model} on {task}, {protocol}, {initializer}"
    print_table(title, lines, ("row", "density", "seeds", against, precision, "difference", "90 %", "margin", "p"))
    for fault in comparison.faults:
        click.echo(f"no pair: {fault}")
    click.echo(
        f"{precision} is {'equivalent to' if comparison.equivalent else 'not shown to be equivalent to'} {against}"
    )


def columns_of_test(test: EquivalenceTest) -> tuple[str, ...]:
    """A test's mean difference, its interval, its margin and its p."""
    low, high = test.interval.low, test.interval.high
    return f"{test.interval.mean:+.4f}", f"{low:+.4f} to {high:+.4f}", f"±{test.margin:.4f}", f"{test.p:.3f}"
