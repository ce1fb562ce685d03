"""Slopes at gates of units, example by example, against finite differences of each example's loss."""

from __future__ import annotations

import pytest
import torch
from curved import trial_with
from torch import Tensor, nn

from ticketbench import Split, Trial
from ticketbench.testing import GivenExamples
from ticketbench_methods.filters import shrinkable
from ticketbench_methods.gates import GateSlopes
from ticketbench_methods.skeletonization import criterion_of
from ticketbench_models.cells import GRUCell
from ticketbench_models.recurrent import SequenceClassifier

NETWORKS = {
    "linear": ((6,), lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))),
    "convolution": (
        (1, 6, 6),
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 3, 1),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(12, 3),
        ),
    ),
    "gru": ((5, 2), lambda: SequenceClassifier(GRUCell(), 2, 4, 3)),
}


def drawn(kind: str) -> Trial:
    """A trial on seven examples, in float64."""
    shape, make = NETWORKS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = make()
    inputs = torch.randn(7, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return trial_with(module, GivenExamples(inputs, torch.arange(7) % 3, outputs=3), 0.5)


def losses(module: nn.Module, examples: Split) -> Tensor:
    """Of each example."""
    with torch.no_grad():
        return nn.functional.cross_entropy(module(examples.inputs), examples.targets, reduction="none")


@pytest.mark.parametrize("kind", NETWORKS)
def test_slopes_are_those_of_scaled_readers(kind: str):
    """A factor 1 ± h at the columns of all that read a unit: its size over examples, and its sum."""
    trial = drawn(kind)
    links = shrinkable(trial)
    found = [
        trial.score(GateSlopes(links, 0, criterion_of, reduce))
        for reduce in (lambda slopes: slopes.abs().sum(dim=0), lambda slopes: slopes.sum(dim=0))
    ]
    (examples,) = trial.batches(0)
    sizes = {"linear": [5, 4], "convolution": [4, 3], "gru": [4]}[kind]
    assert [len(part) for part in found[0].values()] == sizes
    for name, link in links.items():
        for unit in range(len(found[0][name])):
            sides = []
            for step in (1e-5, -1e-5):
                module = trial.module.double().eval()
                with torch.no_grad():
                    for reader, positions in link.readers.items():
                        module.get_parameter(reader)[:, unit * positions : (unit + 1) * positions] *= 1 + step
                sides.append(losses(module, examples))
            slopes = (sides[0] - sides[1]) / 2e-5
            assert float(found[0][name][unit]) == pytest.approx(float(slopes.abs().mean()), rel=1e-5)
            assert float(found[1][name][unit]) == pytest.approx(float(slopes.mean()), rel=1e-5, abs=1e-9)


def test_a_unit_that_nothing_reads_has_no_slope():
    """Its columns are zero."""
    trial = drawn("linear")
    mask = trial.mask
    mask["2.weight"][:, 1] = False
    trial.set_mask(mask)
    slopes = trial.score(GateSlopes(shrinkable(trial), 0, criterion_of, lambda part: part.abs().sum(dim=0)))
    assert (slopes["0.weight"] == 0).tolist() == [False, True, False, False, False]
