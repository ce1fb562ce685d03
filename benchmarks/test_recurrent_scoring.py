"""What one-shot criteria cost on GRUs: their times beside each other, and the memory of the largest network.

    make bench

28 steps of 28 features, 64 sequences, one thread; the Jacobian criterion looks at the last 4 transitions. Memory is
that of a whole process.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from ticketbench import Scorer, Shapes, Split, testing
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.grasp import Grasp
from ticketbench_scorers.jacobian import Jacobian
from ticketbench_scorers.normalised import GraspNormalised, SnipNormalised
from ticketbench_scorers.random import Random
from ticketbench_scorers.snip import Snip

CASES = ("1600", "100")
MOST = 2.0

PROCESS = """
import resource, sys, time, torch
from ticketbench import Shapes, Split, testing
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.jacobian import Jacobian

torch.set_num_threads(1)
hidden = int(sys.argv[1])


class Rows(testing.Blobs):
    def draw(self, split, count):
        return Split(torch.rand(64, 28, 28), torch.zeros(64, dtype=torch.int64))


trial = testing.trial_for(Jacobian(), model=GRU(hidden=hidden), task=Rows(Shapes((28, 28), 10)))
start = time.process_time()
scores = Jacobian().score(trial)
assert sum(score.numel() for score in scores.values()) == 3 * hidden * (hidden + 28)
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.parametrize("hidden", CASES)
def test_scoring_takes_less_than_2_gib(hidden: str, capsys):
    """Peak memory of the process; the Jacobians of 4 transitions alone would take 2.4 GiB if they were written out."""
    done = subprocess.run([sys.executable, "-c", PROCESS, hidden], capture_output=True, text=True, check=True)
    seconds, gib = map(float, done.stdout.split())
    with capsys.disabled():
        print(f"\n  jacobian, {hidden} gated units: {seconds:.1f} s of CPU, {gib:.2f} GiB at most")
    assert 0.1 < gib < MOST


class Rows(testing.Blobs):
    """64 sequences of noise in ten classes."""

    def draw(self, split: str, count: int) -> Split:
        """The same for every split."""
        return Split(torch.rand(64, 28, 28), torch.arange(64) % 10)


SCORERS: dict[str, Scorer] = {
    "SNIP": Snip(batch=64),
    "SNIP, normalised": SnipNormalised(),
    "GraSP": Grasp(batch=64),
    "GraSP, normalised": GraspNormalised(),
    "Jacobian": Jacobian(),
    "random": Random(),
}


@pytest.mark.benchmark(group="recurrent scoring")
def test_table_7(benchmark, side_by_side):
    """GRU-400, in scores a second; the paper's seconds give GraSP 0.29x and the Jacobian criterion 0.97x of SNIP."""
    torch.set_num_threads(1)
    parts = {"model": GRU(hidden=400), "task": Rows(Shapes((28, 28), 10))}
    trials = {name: testing.trial_for(scorer, **parts) for name, scorer in SCORERS.items()}

    def work(name: str) -> float:
        scores = SCORERS[name].score(trials[name])
        assert sum(score.numel() for score in scores.values()) == 3 * 400 * 428
        return 1.0

    work("Jacobian")
    ways = {name: (lambda name=name: work(name)) for name in SCORERS}
    benchmark.extra_info.update(side_by_side("GRU-400, one batch of 64: scores", ways, rounds=5))
    benchmark.pedantic(lambda: work("SNIP"), rounds=1)
