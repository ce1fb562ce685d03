"""What the Jacobian-spectrum score of the largest network of the paper costs: a whole process, on one thread.

    make bench

A GRU of 1600 units, 28 steps of 28 features, 64 sequences, the last 4 transitions, with a plain network beside it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

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


testing.Tiny, testing.Blobs = lambda: GRU(hidden=hidden), lambda: Rows(Shapes((28, 28), 10))
trial = testing.trial_for(Jacobian())
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
