"""Mean replacement pruning by hand, by finite differences and by the networks it leaves."""

from __future__ import annotations

import pytest
import torch
from curved import trial_with
from dropping import dropped
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Link, Split, TicketError, Trial
from ticketbench.testing import (
    GivenExamples,
    carry_out,
    check_method,
    optimizer_of,
    reported_by,
    run_method,
    trial_for,
)
from ticketbench_methods.filters import shrinkable
from ticketbench_methods.mean_replacement import MeanReplacement, best_of_all
from ticketbench_methods.seen import Seen, observe
from ticketbench_models.mlp import MLP

NETWORKS = {
    "linear": lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)),
    "norm": lambda: nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3)),
    "flattened": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)
    ),
    "valid": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)),
        nn.Conv1d(1, 4, 3),
        nn.Tanh(),
        nn.Conv1d(4, 3, 2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(9, 3),
    ),
    "padded": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)),
        nn.Conv1d(1, 4, 3),
        nn.Tanh(),
        nn.Conv1d(4, 3, 3, padding=1),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 3),
    ),
}
READ = {"linear": [2, 4], "norm": [4], "flattened": [4], "valid": [3, 6], "padded": [3, 6]}
"""Where the layers stand that read units."""


def drawn(kind: str, density: float = 0.6, count: int = 9) -> tuple[Trial, nn.Sequential, Split]:
    """A trial, the same network as a module in float64 and evaluation mode, and the examples."""
    source = torch.Generator().manual_seed(4)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = NETWORKS[kind]()
        for part in module.parameters():
            nn.init.normal_(part)
        if kind == "norm":
            module[1].running_mean.normal_()
            module[1].running_var.uniform_(0.5, 2.0)
    inputs = torch.randn(count, 6, generator=source, dtype=torch.float64)
    examples = Split(inputs, torch.randint(0, 3, (count,), generator=source))
    task = GivenExamples(examples.inputs, examples.targets, outputs=3)
    return trial_with(module, task, density), module.double().eval(), examples


def scaled(trial: Trial, name: str, unit: int, factor: float) -> None:
    """Scale the weights that lead into a unit."""
    weight = trial.parameters[name]
    weight[unit] *= factor
    trial.set_weights({name: weight})


def loss_with(module: nn.Sequential, examples: Split, at: int, change) -> float:
    """The loss if what layer `at` reads is changed."""
    with torch.no_grad():
        outputs = module[at:](change(module[:at](examples.inputs)))
        return float(functional.cross_entropy(outputs, examples.targets))


def units_of(read: Tensor, units: int) -> Tensor:
    """What a layer reads, as (examples, units, positions)."""
    return read.reshape(len(read), units, -1)


def values_of(read: Tensor, units: int, kind: str) -> Tensor:
    """What a unit is replaced by: a mean a position where a flattened map is read, else one for the channel."""
    parts = units_of(read, units)
    mean = parts.mean(dim=0) if kind == "flattened" else parts.mean(dim=(0, 2)).unsqueeze(1)
    return mean.expand(parts.shape[1:])


def moved(unit: int, units: int, kind: str, replace: str, share: float):
    """Move a unit by a share of the way to its mean, or to zero."""

    def change(read: Tensor) -> Tensor:
        parts = units_of(read, units).clone()
        goal = values_of(read, units, kind)[unit] if replace == "mean" else torch.zeros(())
        parts[:, unit] += share * (goal - parts[:, unit])
        return parts.view(read.shape)

    return change


@pytest.mark.parametrize("replace", ["mean", "zero"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_score_is_the_slope_of_the_loss_on_the_way_to_the_mean(kind: str, replace: str):
    """By finite differences: (L(+ε) − L(−ε)) / 2ε, with a unit moved by the share ε of the way."""
    trial, module, examples = drawn(kind)
    links = shrinkable(trial)
    seen = observe(trial, links, 0)
    assert len(seen) == len(READ[kind])
    for at, (name, link) in zip(READ[kind], links.items(), strict=True):
        positions = link.positions
        scores = MeanReplacement(replace=replace).score(seen[name], positions)
        units = len(trial.weights[name])
        layout = "flattened" if isinstance(module[at], nn.Linear) and positions > 1 else kind
        for unit in range(units):
            step = 1e-5
            losses = [
                loss_with(module, examples, at, moved(unit, units, layout, replace, sign * step)) for sign in (1, -1)
            ]
            assert float(scores[unit]) == pytest.approx(abs(losses[0] - losses[1]) / (2 * step), rel=1e-5, abs=1e-9)


def test_the_score_by_hand():
    """a = (1, 3) and slopes (½, −1): the mean 2 changes the loss by ½·1 − 1·(−1) = 1½, zero by −½ + 3 = 2½."""
    one = Seen(*(torch.tensor([value], dtype=torch.float64) for value in (2.0, -0.5, 0.5 - 3.0)))
    assert MeanReplacement().score(one, 1).tolist() == [1.5]
    assert MeanReplacement(replace="zero").score(one, 1).tolist() == [2.5]


@pytest.mark.parametrize("kind", ["linear", "norm", "flattened", "valid"])
def test_the_network_left_is_the_one_with_means_in_place(kind: str):
    """One unit of the first layer dropped: the outputs are those of the network with its mean, to rounding."""
    trial, module, examples = drawn(kind, density=0.95)
    scores = {}
    seen = observe(trial, shrinkable(trial), 0)
    for name, link in shrinkable(trial).items():
        scores[name] = MeanReplacement().score(seen[name], link.positions)
    dropped(trial, MeanReplacement(scope="global", examples=0))
    gone = {name: (~trial.mask[name].flatten(1).any(dim=1)).nonzero().flatten().tolist() for name in scores}
    ((name, unit),) = [(name, unit) for name, units in gone.items() for unit in units]
    lowest = min((float(score[at]), key, at) for key, score in scores.items() for at in range(len(score)))
    assert (name, unit) == lowest[1:]
    at, positions = dict(zip(scores, READ[kind], strict=True))[name], shrinkable(trial)[name].positions
    layout = "flattened" if isinstance(module[at], nn.Linear) and positions > 1 else kind
    with torch.no_grad():
        expected = module[at:](moved(unit, len(scores[name]), layout, "mean", 1.0)(module[:at](examples.inputs)))
        found = trial.outputs(examples.inputs, training=False)
        kept = module(examples.inputs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert not torch.allclose(found, kept, atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "scope"), [("linear", "global"), ("flattened", "global"), ("flattened", "layerwise"), ("valid", "global")]
)
def test_units_that_never_change_go_without_a_trace(kind: str, scope: str):
    """Two units of the first layer have a bias alone: they score zero, go first, and all outputs stay."""
    trial, _, examples = drawn(kind)
    first, links = next(iter(trial.weights)), shrinkable(trial)
    scaled(trial, first, 1, 0)
    scaled(trial, first, 3, 0)
    consumer, positions = links[first].consumer, links[first].positions
    a_unit = trial.weights[first][0].numel() + trial.weights[consumer][:, :positions].numel()
    trial.density = 1 - 2 * a_unit / trial.total_weights
    before = trial.outputs(examples.inputs, training=False)
    dropped(trial, MeanReplacement(scope=scope, examples=0))
    assert trial.mask[first].flatten(1).any(dim=1).tolist() == [
        unit not in (1, 3) for unit in range(len(trial.mask[first]))
    ]
    torch.testing.assert_close(trial.outputs(examples.inputs, training=False), before, rtol=1e-12, atol=1e-12)


def test_zero_leaves_the_biases_alone():
    """Nothing is folded."""
    trial, _, _ = drawn("linear")
    biases = {name: part.clone() for name, part in trial.parameters.items() if name.endswith("bias")}
    dropped(trial, MeanReplacement(replace="zero"))
    assert all(trial.parameters[name].equal(part) for name, part in biases.items())
    assert int(trial.mask["0.weight"].any(dim=1).sum()) < 5


def test_the_loss_moves_by_the_score_to_first_order():
    """A unit that hardly varies: replacing it changes the loss by its score, and nearer the less it varies."""
    errors = []
    for spread in (1e-2, 1e-3):
        trial, module, examples = drawn("linear")
        scaled(trial, "0.weight", 2, spread)
        with torch.no_grad():
            module[0].weight[2] *= spread
        links = shrinkable(trial)
        score = float(MeanReplacement().score(observe(trial, links, 0)["0.weight"], 1)[2])
        change = loss_with(module, examples, 2, moved(2, 5, "linear", "mean", 1.0)) - loss_with(
            module, examples, 2, lambda read: read
        )
        errors.append(abs(abs(change) - score) / score)
    assert errors[0] < 0.1
    assert errors[1] < errors[0] / 5


def test_zeros_beyond_a_border_are_the_only_difference():
    """With padding, the fold is the mean beyond the border, too: as if the map went on."""
    trial, module, examples = drawn("padded", density=0.99)
    scaled(trial, "1.weight", 2, 1e-6)  # a map that hardly varies goes first
    module[1].weight.data[2] *= 1e-6
    dropped(trial, MeanReplacement(scope="global", examples=0))
    (unit,) = (~trial.mask["1.weight"].flatten(1).any(dim=1)).nonzero().flatten().tolist()
    with torch.no_grad():
        read = functional.pad(module[:3](examples.inputs), (1, 1))
        mean = module[:3](examples.inputs)[:, unit].mean()
        read[:, unit] = mean
        inner = functional.conv1d(read, module[3].weight, module[3].bias)
        expected = module[4:](inner)
    torch.testing.assert_close(trial.outputs(examples.inputs, training=False), expected, rtol=1e-10, atol=1e-10)


def test_means_and_slopes_over_several_pieces():
    """230 examples go through in three pieces: the means are those over all, and the slice decides."""
    trial, module, examples = drawn("valid", count=230)
    links = shrinkable(trial)
    seen = observe(trial, links, 0)["1.weight"]
    read = module[:3](examples.inputs).detach().requires_grad_(True)
    loss = functional.cross_entropy(module[3:](read), examples.targets)
    (slope,) = torch.autograd.grad(loss, read)
    torch.testing.assert_close(seen.mean, read.detach().mean(dim=(0, 2)), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(seen.gradient, slope.sum(dim=(0, 2)), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(seen.product, (read * slope).detach().sum(dim=(0, 2)), rtol=1e-10, atol=1e-12)
    assert not torch.allclose(observe(trial, links, 50)["1.weight"].mean, seen.mean, rtol=1e-6)


def test_the_best_of_all_layers_by_hand():
    """Chain 2-3-3-1, 18 weights: without unit 0 of the first 13 are left, then without 2 of the second 10."""
    mask = {"a": torch.ones(3, 2), "b": torch.ones(3, 3), "c": torch.ones(1, 3)}
    mask = {name: part.bool() for name, part in mask.items()}
    links = {"a": Link("a", "b"), "b": Link("b", "c")}
    scores = {"a": torch.tensor([0.1, 5.0, 6.0]), "b": torch.tensor([0.4, 0.3, 0.2])}
    cases = [
        (18, [3, 3]),
        (17, [2, 3]),
        (13, [2, 3]),
        (12, [2, 2]),
        (10, [2, 2]),
        (9, [2, 1]),
        (7, [2, 1]),
        (6, [1, 1]),
    ]
    for target, counts in cases:
        units = best_of_all(scores, mask, links, target)
        assert [int(part.sum()) for part in units.values()] == counts, target
    assert {name: part.tolist() for name, part in best_of_all(scores, mask, links, 9).items()} == {
        "a": [False, True, True],
        "b": [True, False, False],
    }


def test_layerwise_every_layer_keeps_its_share():
    """Of 5 and 4 units at density ½, 31 of 62 weights: 3 and 2 leave 18 + 6 + 6 = 30; the lowest scores go."""
    trial, _, _ = drawn("linear", density=0.5)
    links = shrinkable(trial)
    seen = observe(trial, links, 0)
    scores = {name: MeanReplacement().score(seen[name], 1) for name in links}
    dropped(trial, MeanReplacement(examples=0))
    for name, count in (("0.weight", 3), ("2.weight", 2)):
        best = sorted(scores[name].argsort(descending=True)[:count].tolist())
        assert trial.mask[name].any(dim=1).nonzero().flatten().tolist() == best
    assert sum(int(part.sum()) for part in trial.mask.values()) == 30


def test_a_layer_without_a_bias_cannot_take_a_mean():
    """An error before training that says what would work; zeros need no bias."""
    trial = trial_for(method=MeanReplacement(), model=MLP(hidden=(5,), bias=False))
    with pytest.raises(TicketError, match=r"'3.weight' has no trainable bias .* replace = \"zero\""):
        next(MeanReplacement().draw(trial))
    assert next(MeanReplacement(replace="zero").draw(trial)).until is None


def test_weights_that_are_not_numbers_are_an_error():
    """A training that diverged."""
    trial, _, _ = drawn("linear")
    weight = trial.parameters["0.weight"]
    weight[0, 0] = torch.nan
    trial.set_weights({"0.weight": weight})
    with pytest.raises(TicketError, match="not finite"):
        dropped(trial, MeanReplacement())


@pytest.mark.parametrize(("then", "step"), [("stop", 40), ("finetune", 0)])
def test_what_comes_after(then: str, step: int):
    """The weights stay, a fresh optimizer has none or all of the schedule ahead; the dense network is reported."""
    trial, other = (drawn("linear")[0] for _ in range(2))
    for one, method in ((trial, MeanReplacement(then=then)), (other, MeanReplacement(then="stop"))):
        requests = method.draw(one)
        carry_out(one, next(requests))
        assert (one.step, optimizer_of(one).updates) == (40, 40)
        assert next(requests, None) is None
    assert (trial.step, optimizer_of(trial).updates) == (step, 0)
    assert all(part.equal(other.parameters[name]) for name, part in trial.parameters.items())
    assert [report.density for report in reported_by(trial)] == [1.0]


def test_at_density_one_there_is_nothing_to_do():
    """No training before the one training."""
    assert list(MeanReplacement().draw(drawn("linear", density=1.0)[0])) == []
    assert [MeanReplacement(then=then).trainings(at) for then in ("stop", "finetune") for at in (0.5, 1.0)] == [
        1,
        1,
        2,
        1,
    ]


@pytest.mark.parametrize(("then", "steps"), [("stop", 40), ("finetune", 80)])
def test_the_network_gets_smaller(then: str, steps: int):
    """5 and 2 of 8 and 4 units: 46 of 92 weights, in tensors of that size."""
    (member,) = run_method(MeanReplacement(then=then), model=MLP(hidden=(8, 4)))
    assert member.status == "ok", member.error
    assert member.steps == steps
    assert [tuple(weight.shape) for weight in member.trial.weights.values()] == [(5, 6), (2, 5), (3, 2)]


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_it_keeps_the_contract(scope: str):
    """At most the density's count, no leak, the same result alone and in a fleet."""
    check_method(MeanReplacement(scope=scope))
