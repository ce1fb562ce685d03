"""The command: all sections within the time, a table after each, and a JSON file that is written as often."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu.budget import GRACE, Allowance, Budget, CutOffError, cut_off_after
from benchmarks.gpu.children import ROOT
from benchmarks.gpu.facts import facts_of
from benchmarks.gpu.machine import Machine
from benchmarks.gpu.results import Results, Section, shown
from benchmarks.gpu.sections import PARTS, Part
from ticketbench.plugin.loading import Plugins, load_plugins

SECONDS = 450.0
"""Of eight minutes, which also have to hold the making of an environment and the imports."""
RIGHT, WRONG, NO_GPU = 0, 1, 2
"""Exit statuses: nothing contradicts a CPU and no section failed, something does or has, there is no GPU."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit status."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything together (default: %(default)g)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/gpu.json"), help="the JSON file (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SECTION", help=", ".join(names))
    parser.add_argument("--go-on", action="store_true", help="add to what the JSON file has, instead of beginning it")
    parser.add_argument("--rehearse", action="store_true", help="the same code on a CPU, at tiny sizes")
    asked = parser.parse_args(arguments)
    asked.out = asked.out.absolute()
    if not asked.rehearse and not torch.cuda.is_available():
        print(
            "There is no GPU here that torch can use. `python -m benchmarks.gpu --rehearse` runs the same code on a "
            "CPU, and measures nothing.",
            file=sys.stderr,
        )
        return NO_GPU
    machine = Machine(asked.rehearse)
    results = Results.read(asked.out) if asked.go_on else Results(asked.out, machine.rehearsal)
    machine.prepare()
    plugins = load_plugins()
    if not asked.go_on:
        results.facts = facts_of(machine, plugins)
        print("\n".join(f"{name}: {shown(value)}" for name, value in results.facts.items()), flush=True)
        results.write()
    parts = [part for part in PARTS if part.name in asked.only]
    budget = Budget(asked.seconds, {part.name: part.share for part in parts}, results.clock)
    for number, part in enumerate(parts, 1):
        run_part(part, machine, plugins, results, budget)
        rest = [other.name for other in parts[number:]]
        if rest and not machine.works():
            return in_another_process(asked, rest, budget.left())
    print(f"\n{results.targets_table()}\n\n{results.path}", flush=True)
    return RIGHT if results.ok else WRONG


def in_another_process(asked: argparse.Namespace, names: Sequence[str], seconds: float) -> int:
    """Go on with the sections of these names where CUDA works again."""
    print("\nCUDA does not work in this process any more: the rest is done in another one", flush=True)
    words = ["--go-on", "--seconds", str(seconds), "--out", str(asked.out), "--only", *names]
    return subprocess.run([sys.executable, "-m", "benchmarks.gpu", *words], cwd=ROOT, check=False).returncode


def run_part(part: Part, machine: Machine, plugins: Plugins, results: Results, budget: Budget) -> None:
    """One section; whatever happens in it, the others have their turn."""
    section = Section(part.name, part.title, part.columns, share=budget.share(part.name))
    results.sections.append(section)
    started = time.monotonic()
    try:
        with cut_off_after(min(section.share + GRACE, budget.left())):
            part.work(machine, plugins, results, section, Allowance.of(section.share))
        section.status = "failed" if section.troubles else "cut" if section.left_out else "done"
    except CutOffError as stopped:
        section.status = "cut"
        section.left_out.append(f"what came after it was {stopped}")
    except Exception as error:
        section.status = "failed"
        section.error = "".join(traceback.format_exception(error)[-8:])
    section.seconds = time.monotonic() - started
    machine.forget()
    results.write()
    print(f"\n{section.table()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
