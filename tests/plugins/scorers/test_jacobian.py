"""The Jacobian-spectrum criterion by hand, and against Jacobians written out in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from recurrences import (
    BATCH,
    FEATURES,
    KINDS,
    STEPS,
    Array,
    Weights,
    arrays,
    differences,
    examples_of,
    gammas,
    given,
    jacobian,
    network,
    sequences,
    states,
    trial_with,
)
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ticketbench import OptionError, Shapes, TicketError, generator
from ticketbench.testing import Tiny, UncheckedError, check_scorer
from ticketbench_models.language_model import LanguageModel
from ticketbench_scorers import jacobian as home
from ticketbench_scorers.jacobian import Jacobian

__all__ = ["trial_with"]

NORMAL_STEPS = 4
OPTIONS: list[dict[str, Any]] = [
    {},
    {"product": "rademacher"},
    {"product": "frobenius"},
    {"product": "vjp"},
    {"transitions": "all"},
    {"derivative": "explicit"},
    {"product": "frobenius", "derivative": "explicit", "transitions": "all"},
]


def squares(product: str, matrices: Array, signs: Array) -> Array:
    """The batch mean of ‖J·1‖², or of what stands for it."""
    if product == "frobenius":
        return (matrices**2).sum(axis=(1, 2)).mean()
    if product == "vjp":
        return (matrices.sum(axis=1) ** 2).sum(axis=1).mean()
    vectors = signs if product == "rademacher" else np.ones_like(signs)
    return (np.einsum("bij,bj->bi", matrices, vectors) ** 2).sum(axis=1).mean()


def sensitivity(kind: str, weights: Weights, inputs: Array, steps: list[int], scorer: Jacobian) -> dict[str, Array]:
    """Σ_u |∂E‖J_u·1‖²/∂θ|."""
    source, before = generator(0, "signs"), states(kind, weights, inputs)
    shape = (1, *before[0][0].shape)
    signs = [(torch.randint(0, 2, shape, generator=source) * 2 - 1)[0].double().numpy() for _ in steps]

    def values(moved: Weights) -> Array:
        """Of each transition."""
        reached = before if scorer.derivative == "explicit" else states(kind, moved, inputs)
        matrices = [jacobian(kind, moved, inputs[:, step], reached[step]) for step in steps]
        return np.array([squares(scorer.product, *pair) for pair in zip(matrices, signs, strict=True)])

    return {name: np.abs(part).sum(0) for name, part in differences(weights, values).items()}


def close(found: dict[str, Tensor], expected: dict[str, Array]) -> None:
    """To 1e-5 of each value, and 1e-8 of the median where a value is near zero."""
    assert found.keys() == expected.keys()
    for name, score in found.items():
        np.testing.assert_allclose(score.numpy(), expected[name], rtol=1e-5, atol=1e-8 * np.median(expected[name]))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.values()) or "default")
@pytest.mark.parametrize("kind", KINDS)
def test_the_score_equals_jacobians_written_out(trial_with, monkeypatch, kind: str, options: dict[str, Any]):
    """Finite differences of the norms of J, over those of the states, for each cell and reading; 2 transitions of 4."""
    monkeypatch.setattr(home, "CHUNK", 2)
    scorer = Jacobian(**options, horizon=2, gamma_steps=NORMAL_STEPS, epsilon=1e-12)
    module = network(kind)
    scores = dict(scorer.score(trial_with(module, sequences(), scorer)))
    inputs = next(trial_with(module, sequences(), scorer).batches(1, 64)).inputs.numpy()
    steps = [1, 2, 3, 4] if scorer.transitions == "all" else [3, 4]
    noise = 0.1 * torch.randn(BATCH, NORMAL_STEPS, FEATURES, generator=generator(0, "gamma")).double().numpy()
    divisors = gammas(kind, arrays(module), noise)
    above = sensitivity(kind, arrays(module), inputs, steps, scorer)
    close(scores, {name: part / divisors[name] for name, part in above.items()})


@pytest.mark.parametrize("derivative", ["full", "explicit"])
def test_the_score_by_hand(trial_with, derivative: str):
    """One unit, w = 1, u = 2a, x = (a, 0), a = atanh ½: both states are ½, and J = ¾u = 1.5a at the one transition.

    ∂J²/∂u = 2J·(¾ − u·¾·½) = 2.25a(1 − a) and Σ∂h/∂u = ¾·½. Through the first state, ∂h¹/∂w = ¾a, comes
    ∂J²/∂w = 2J·(−¾u²)·¾a = −6.75a⁴ and Σ∂h/∂w = ¾a + ¾u·¾a.
    """
    a = math.atanh(0.5)
    module = network("rnn", hidden=1)
    with torch.no_grad():
        module.bias.zero_()
        module.from_hidden.fill_(2 * a)
        module.from_input.copy_(torch.tensor([[1.0, 0.0]]))
    scorer = Jacobian(horizon=1, derivative=derivative, gamma_inputs="data", epsilon=1e-20)
    inputs = torch.tensor([[[a, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    scores = scorer.score(trial_with(module, inputs, scorer))
    of_input = 6.75 * a**4 / (0.75 * a + 1.125 * a**2) if derivative == "full" else 0.0
    assert scores["from_hidden"].item() == pytest.approx(2.25 * a * (1 - a) / 0.375, rel=1e-12)
    assert scores["from_input"][0].tolist() == pytest.approx([of_input, 0.0], rel=1e-12)


def test_the_defaults_are_the_papers():
    """One batch of 64, the last 4 transitions, J·1, γ of N(0, 0.1) inputs without |·| inside."""
    scorer = Jacobian()
    assert (scorer.batch, scorer.product, scorer.transitions, scorer.horizon) == (64, "jvp", "last", 4)
    assert (scorer.derivative, scorer.gamma, scorer.gamma_inputs) == ("full", "signed", "normal")
    assert (scorer.gamma_deviation, scorer.gamma_steps) == (0.1, 0)


def test_random_signs_give_the_frobenius_norm_on_average(trial_with):
    """Of a constant J = U of a network at rest, over 4,000 sequences: each weight's score to 10 % of the largest."""
    module = network("rnn")
    with torch.no_grad():
        module.bias.zero_()
    found = {}
    for product in ("frobenius", "rademacher"):
        scorer = Jacobian(
            product=product, horizon=1, batch=4000, derivative="explicit", gamma_inputs="data", epsilon=1.0
        )
        found[product] = scorer.score(trial_with(module, torch.zeros(4000, 2, FEATURES), scorer))["from_hidden"]
    torch.testing.assert_close(found["frobenius"], 2 * module.from_hidden.detach().abs(), rtol=1e-12, atol=0)
    worst = (found["rademacher"] - found["frobenius"]).abs().max() / found["frobenius"].max()
    assert 1e-6 < float(worst) < 0.1


def test_a_pruned_weight_scores_too_and_the_others_are_scored_without_it(trial_with):
    """The derivative at zero, of the network as it is under its mask; what is pruned next is exact."""
    module, scorer = network("gru"), Jacobian(horizon=2, gamma_inputs="data", epsilon=1e-12)
    trial = trial_with(module, sequences(), scorer)
    mask = trial.mask
    mask["from_input"][1, 0] = mask["from_hidden"][4, 2] = mask["from_hidden"][8, 0] = False
    trial.set_mask(mask)
    inputs = next(trial_with(module, sequences(), scorer).batches(1, 64)).inputs.numpy()
    pruned = {**arrays(module), **{name: arrays(module)[name] * part.numpy() for name, part in mask.items()}}
    above, divisors = sensitivity("gru", pruned, inputs, [3, 4], scorer), gammas("gru", pruned, inputs)
    scores = dict(scorer.score(trial))
    close(scores, {name: part / divisors[name] for name, part in above.items()})
    assert scores["from_input"][1, 0] > 0
    trial.prune(20 / 45, scores=scores)
    flat = torch.cat([scores[name].masked_fill(~mask[name], 0).flatten() for name in scores])
    kept = torch.cat([part.flatten() for part in trial.mask.values()])
    assert kept.nonzero().flatten().tolist() == sorted(flat.topk(20).indices.tolist())


def test_a_weight_without_gamma_is_divided_by_epsilon(trial_with):
    """Noise of deviation 0 keeps h̃ at zero, so that γ = 0 for every weight."""
    module = network("rnn")
    with torch.no_grad():
        module.bias.zero_()
    scores = []
    for epsilon in (1e-3, 1e-20):
        scorer = Jacobian(horizon=2, gamma_deviation=0.0, epsilon=epsilon)
        scores.append(scorer.score(trial_with(module, sequences(), scorer)))
    inputs = next(trial_with(module, sequences(), scorer).batches(1, 64)).inputs.numpy()
    above = sensitivity("rnn", arrays(module), inputs, [3, 4], scorer)
    for found, epsilon in zip(scores, (1e-3, 1e-20), strict=True):
        close(found, {name: part / epsilon for name, part in above.items()})


@pytest.mark.parametrize("kind", ["rnn", "lstm", "peephole"])
def test_a_network_of_zeros_is_all_ties(trial_with, kind: str):
    """J = 0, and so is every score, as is every γ: the first weights stay, exactly as many as asked."""
    module, scorer = network(kind), Jacobian()
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
    trial = trial_with(module, torch.zeros(BATCH, STEPS, FEATURES), scorer)
    scores = dict(scorer.score(trial))
    assert all(score.eq(0).all() for score in scores.values())
    trial.prune(0.2, scores=scores)
    kept = torch.cat([part.flatten() for part in trial.mask.values()]).nonzero().flatten()
    assert kept.tolist() == list(range(round(0.2 * trial.total_weights)))


class Reader(nn.Module):
    """An embedding of tokens with dropout, which a layer reads."""

    def __init__(self, inner: nn.Module, dropped: float) -> None:
        super().__init__()
        for name, parameter in inner.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        self.inner, self.hidden, self.gates, self.layer = [inner], inner.hidden, inner.gates, inner.layer
        self.tokens = nn.Parameter(torch.arange(5.0).unsqueeze(1).repeat(1, FEATURES).double() / 5)
        self.dropped = nn.Dropout(dropped)

    def embed(self, inputs: Tensor) -> Tensor:
        """A row a token."""
        return self.dropped(self.tokens[inputs])

    def start(self, examples: int) -> tuple[Tensor, ...]:
        """Zeros."""
        return (self.from_hidden.new_zeros(examples, self.hidden),)

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """tanh."""
        return (torch.tanh(features @ self.from_input.T + self.bias + carried[0] @ self.from_hidden.T),)

    def read(self, hidden: Tensor) -> Tensor:
        """The hidden state."""
        return hidden


def test_tokens_are_embedded_and_nothing_is_dropped(trial_with):
    """As if the layer read the rows of the embedding, without dropout."""
    tokens = torch.randint(0, 5, (BATCH, STEPS), generator=torch.Generator().manual_seed(0))
    scorer = Jacobian(horizon=2, gamma_inputs="data")
    plain = network("rnn")
    reader = Reader(plain, 0.9)
    expected = scorer.score(trial_with(plain, reader.tokens.detach()[tokens], scorer))
    found = scorer.score(trial_with(reader, tokens, scorer))
    assert found.keys() == expected.keys()
    for name, score in found.items():
        torch.testing.assert_close(score, expected[name], rtol=1e-12, atol=0)


def test_what_is_not_recurrent_is_refused(trial_with):
    """With what a network needs to be."""
    with pytest.raises(UncheckedError, match=r"'jacobian'.*Sequential has none.*members of ticketbench.Recurrent"):
        check_scorer(Jacobian(), model=Tiny())


def test_a_prunable_weight_outside_the_layer_is_refused(trial_with):
    """With its name."""
    trial = trial_with(network("rnn"), sequences(), Jacobian(), ("read_out.weight",))
    with pytest.raises(TicketError, match=r"\(from_input, from_hidden\), and 'read_out.weight' is prunable, too"):
        Jacobian().score(trial)


def test_too_few_steps_are_refused(trial_with):
    """5 steps have 4 transitions between states of the network; one step has none."""
    scorer = Jacobian(horizon=5)
    with pytest.raises(OptionError, match=r"5 transitions of sequences with 5 steps, which have 4.*horizon = 4, or"):
        scorer.score(trial_with(network("rnn"), sequences(), scorer))
    scorer = Jacobian(transitions="all", horizon=9)
    scorer.score(trial_with(network("rnn"), sequences(2), scorer))
    with pytest.raises(OptionError, match=r"1 transitions .* 1 steps, which have 0. .*work: sequences of 2 steps"):
        scorer.score(trial_with(network("rnn"), sequences(1), scorer))


@pytest.mark.parametrize("product", ["jvp", "rademacher", "frobenius", "vjp"])
@pytest.mark.parametrize("kind", KINDS)
def test_jacobian_keeps_the_contract(kind: str, product: str):
    """Finite, right shapes, deterministic, leaves the network alone; the models as they are, in float32."""
    module = KINDS[kind](hidden=18).build(Shapes((STEPS, FEATURES), 2))
    check_scorer(Jacobian(product=product), model=given(module), task=examples_of(sequences().float()))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_language_models_are_scored(cell: str):
    """The contract on windows of words."""
    model = LanguageModel(cell=cell, hidden=6, embedding=3)
    words = examples_of(torch.arange(6 * STEPS).view(6, STEPS) % 7)
    check_scorer(Jacobian(), model=given(model.build(Shapes((STEPS,), 7))), task=words)


def test_the_bill(trial_with):
    """4 sequences of 5 steps, 20 of 45 weights live; the last 2 transitions, at steps 3 and 4 counted from 0.

    4 steps forward, 2 products of 6, backward through 3 + 4 steps at 2 each; 3 a step for γ; a step is 2·20 FLOPs.
    """
    scorer = Jacobian(horizon=2)
    for changed, steps in (
        ({}, 4 + 12 + 14),
        ({"derivative": "explicit"}, 16),
        ({"product": "frobenius"}, 4 + 24 + 14),
    ):
        trial = trial_with(network("gru"), sequences(), scorer)
        trial.prune(20 / 45, scores={name: weight.abs() for name, weight in trial.weights.items()})
        Jacobian(horizon=2, gamma_steps=7, **changed).score(trial)
        assert trial.spent.flops == 2 * 20 * BATCH * (steps + 3 * 7)


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor holds."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, (tuple, list)) else [result]:
            self.found = max(self.found, part.numel() if isinstance(part, Tensor) else 0)
        return result


@pytest.mark.parametrize("product", ["jvp", "rademacher", "frobenius", "vjp"])
def test_no_jacobian_is_written_out(trial_with, product: str):
    """No tensor is larger than a weight or, for unit vectors, 16 states of all gates; Jacobians are four times that."""
    hidden, batch = 64, 24
    module = KINDS["gru"](hidden=hidden).build(Shapes((STEPS, FEATURES), 2))
    scorer = Jacobian(product=product, horizon=2)
    trial = trial_with(module, sequences(batch=batch).float(), scorer)
    with Largest() as largest:
        scorer.score(trial)
    chunk = home.CHUNK if product == "frobenius" else 1
    assert largest.found <= max(3 * hidden * hidden, 3 * hidden * batch * chunk) < batch * hidden * hidden
