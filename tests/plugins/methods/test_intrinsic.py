"""A group lasso on hidden units, against loops over single units."""

from __future__ import annotations

import pytest
import torch
from plain_loop import PlainLoop, given_trial
from torch import Tensor, nn

from ticketbench import Shapes, unit_chain
from ticketbench.testing import carry_out, check_method, reported_by, run_method
from ticketbench.testing.blobs import Blobs
from ticketbench_methods.intrinsic import Intrinsic
from ticketbench_methods.unit_norms import unit_norms
from ticketbench_models.recurrent import GRU


def group(weights: dict[str, Tensor], mask: dict[str, Tensor]) -> float:
    """‖·‖₂ of the weights that a mask marks, each once."""
    return float(torch.cat([weights[name][part] for name, part in mask.items()]).norm())


def nothing(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A mask that marks none."""
    return {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()}


def test_the_groups_of_a_gru_are_the_weights_that_go_with_a_unit():
    """Rows k, 5 + k and 10 + k of both weights, column k of the hidden state's and the read-out: each weight once."""
    module = GRU(hidden=5).build(Shapes((7, 4), 3)).double()
    weights = {name: part.detach() for name, part in module.named_parameters()}
    (link,) = unit_chain(module)
    norms = unit_norms(weights, link)
    for unit in range(5):
        marked = nothing(weights)
        for name in ("from_input", "from_hidden"):
            marked[name][unit::5] = True
        marked["from_hidden"][:, unit] = marked["read_out.weight"][:, unit] = True
        assert sum(int(part.sum()) for part in marked.values()) == 3 * 4 + 3 * 5 + 15 - 3 + 3
        assert float(norms[unit]) == pytest.approx(group(weights, marked))


def test_the_groups_of_filters_have_all_positions_that_read_them():
    """A filter of a 2×3 picture, and six columns of the linear layer behind the flattening."""
    module = nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)
    )
    weights = {name: part.detach() for name, part in module.named_parameters()}
    (link,) = unit_chain(module)
    for unit, norm in enumerate(unit_norms(weights, link)):
        marked = nothing(weights)
        marked["1.weight"][unit] = True
        marked["4.weight"][:, 6 * unit : 6 * unit + 6] = True
        assert float(norm) == pytest.approx(group(weights, marked))


def lasso(weights):
    """0.05·Σ‖θ_k‖₂ over eight hidden units: the row that makes each, and the column that reads it."""
    return 0.05 * sum(torch.cat([weights["0.weight"][unit], weights["2.weight"][:, unit]]).norm() for unit in range(8))


@pytest.mark.parametrize("then", ["finetune", "stop"])
def test_training_and_units_are_those_of_a_plain_loop(then: str):
    """12 steps, and the four units of the largest norms: 36 of 72 weights."""
    trial = given_trial()
    loop = PlainLoop(trial)
    for request in Intrinsic(strength=0.05, then=then).draw(trial):
        carry_out(trial, request)
    loop.train(12, lasso)
    norms = torch.cat([loop.weights["0.weight"], loop.weights["2.weight"].T], dim=1).norm(dim=1)
    stays = torch.zeros(8, dtype=torch.bool)
    stays[norms.argsort(descending=True)[:4]] = True
    loop.put({"0.weight": stays.view(8, 1).expand(8, 6), "2.weight": stays.expand(3, 8)})
    loop.check(trial)
    gone = float(norms[~stays].sum() / norms.sum())
    assert [finding[2:] for finding in trial.findings] == [("share of norm", pytest.approx(gone))]
    assert (len(reported_by(trial)), trial.step) == (1, 0 if then == "finetune" else 12)
    assert Intrinsic(then=then).trainings(0.5) == (2 if then == "finetune" else 1)


def test_at_density_one_the_lasso_alone_is_at_work():
    """One training, and all units stay."""
    trial = given_trial(density=1.0)
    loop = PlainLoop(trial)
    for request in Intrinsic(strength=0.05).draw(trial):
        carry_out(trial, request)
    loop.train(12, lasso)
    loop.check(trial)


def test_a_zero_unit_has_no_slope():
    """A network of zeros: the norm is zero, and its gradient, too."""
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    weights = {name: torch.zeros_like(part, requires_grad=True) for name, part in module.named_parameters()}
    (link,) = unit_chain(module)
    norms = unit_norms(weights, link)
    slopes = torch.autograd.grad(norms.sum(), [weights["0.weight"], weights["2.weight"]])
    assert norms.tolist() == [0, 0]
    assert not any(bool(slope.any()) or bool(slope.isnan().any()) for slope in slopes)


def test_a_gru_becomes_smaller():
    """Of six units at density 0.3 three stay: 9 rows of 4 + 3, 63 of 180 weights, are too many; two: 6 of 4 + 2."""
    (one,) = run_method(Intrinsic(), model=GRU(hidden=6), task=Blobs(Shapes((5, 4), 3)), densities=(0.3,))
    assert (one.status, sum(int(part.sum()) for part in one.mask.values())) == ("ok", 36)
    assert {name: int(part.any(dim=1).sum()) for name, part in one.mask.items()} == {"from_input": 6, "from_hidden": 6}


def test_the_contract():
    """No more weights than the density says, nothing leaks, and the same alone and in a fleet."""
    check_method(Intrinsic())
