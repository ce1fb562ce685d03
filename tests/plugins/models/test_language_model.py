"""The language model: held against torch's layers, its sample against full sums, and a text that it learns."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from ticketbench import OptionError, Recurrent, Shapes, Sizes, Split, Task, Ticket
from ticketbench.plan.count import work_of
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import Headline
from ticketbench.testing import check_model, stacked_pass, train
from ticketbench_models.language_model import LanguageModel, LanguageNetwork, Sampled, drawn

CELLS = ("lstm", "gru")
WORDS, WINDOW = 7, 5
SHAPES = Shapes((WINDOW,), WORDS)
RECIPE = Recipe(optimizer="adam", learning_rate=1e-2, batch=8, steps=120, judge_batch=4, log_every=20)
PERPLEXITY = Headline(metric="perplexity", higher_is_better=False)


def unmoved(**changes: Any) -> Recipe:
    """A recipe of one step that moves no weight."""
    return RECIPE.model_copy(update={"steps": 1, "learning_rate_factors": {"*": 0.0}, **changes})


class Text(Task):
    """A walk over seven words, each followed by one of two; log 2 is the least cross-entropy there is."""

    name = "walk"
    summary = "words in a row"
    contiguous = True

    def shapes(self) -> Shapes:
        """A window."""
        return SHAPES

    def sizes(self) -> Sizes:
        """Few."""
        return Sizes(80, 0, 40)

    def training(self) -> tuple[Split, Split]:
        """80 windows."""
        return self.windows(80, 1), Split(torch.empty(0, WINDOW).long(), torch.empty(0, WINDOW).long())

    def test(self) -> Split:
        """40 windows."""
        return self.windows(40, 2)

    def windows(self, count: int, seed: int) -> Split:
        """Each word is the one before it plus 1 or 3."""
        steps = np.random.default_rng(seed).choice([1, 3], count * WINDOW + 1)
        words = torch.from_numpy(steps.cumsum() % WORDS)
        return Split(words[:-1].view(count, WINDOW), words[1:].view(count, WINDOW))

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Mean cross-entropy over all positions."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The mean cross-entropy of each window."""
        return {"cross_entropy": functional.cross_entropy(outputs, targets, reduction="none").mean(dim=1)}

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """Perplexity."""
        return {"perplexity": math.exp(means["cross_entropy"])}


def built(cell: str, hidden: int = 6, **options: Any) -> LanguageNetwork:
    """A network in float64."""
    torch.manual_seed(3)
    module = LanguageModel(cell=cell, hidden=hidden, embedding=4, **options).build(SHAPES).double()
    assert isinstance(module, LanguageNetwork)
    nn.init.normal_(module.read_out.bias)
    return module


def reference(module: LanguageNetwork) -> nn.Module:
    """torch's own layer with the same weights."""
    kind = nn.LSTM if len(module.states) == 2 else nn.GRU
    layer = kind(4, module.hidden, batch_first=True).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(module.from_input)
        layer.weight_hh_l0.copy_(module.from_hidden)
        layer.bias_ih_l0.copy_(module.bias)
        layer.bias_hh_l0.zero_()
    return layer


def expected(module: LanguageNetwork, words: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The scores (batch, vocabulary, length) by torch's layer from zero, and its last states."""
    states, last = reference(module)(module.embedding.weight[words])
    scores = states @ module.read_out.weight.T + module.read_out.bias
    return scores.transpose(1, 2), tuple(part[0] for part in (last if isinstance(last, tuple) else (last,)))


def some_words(*shape: int) -> Tensor:
    """Words drawn alike."""
    return torch.randint(0, WORDS, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("cell", "hidden", "weights"), [("lstm", 2000, 19_200_000), ("gru", 800, 2_880_000)])
def test_the_sizes_of_the_paper(cell: str, hidden: int, weights: int):
    """Prunable weights on an embedding of 400; neither embedding, bias nor read-out can be pruned."""
    model = LanguageModel(cell=cell, hidden=hidden)
    with torch.device("meta"):
        module = model.build(Shapes((35,), 10_000))
    own = dict(module.named_parameters())
    names = list(model.prunable(module))
    assert names == ["from_input", "from_hidden"]
    assert sum(own[name].numel() for name in names) == weights
    assert [name for name, part in own.items() if not part.requires_grad] == ["embedding.weight"]
    assert own["embedding.weight"].shape == (10_000, 400)
    assert own["read_out.weight"].shape == (10_000, hidden)
    assert set(dict(module.named_buffers())) == set(model.carried(module))
    assert isinstance(module, Recurrent)


def test_as_built():
    """The embedding is N(0, 1), the read-out U(±√(6/(2000 + hidden))) without a bias; seeds decide."""
    torch.manual_seed(0)
    module, other = (LanguageModel(hidden=30, embedding=50).build(Shapes((5,), 2000)) for _ in range(2))
    vectors, read_out = module.embedding.weight, module.read_out
    assert float(vectors.std()) == pytest.approx(1, abs=0.01)
    assert float(vectors.mean()) == pytest.approx(0, abs=0.01)
    bound = math.sqrt(6 / 2030)
    assert 0.99 * bound < float(read_out.weight.detach().abs().max()) <= bound
    assert not bool(read_out.bias.any())
    assert not vectors.equal(other.embedding.weight)


@pytest.mark.parametrize("cell", CELLS)
def test_scores_are_those_of_torchs_layers(cell: str):
    """A score a word for each position, from zero; whatever integers the words are."""
    module, words = built(cell), some_words(3, WINDOW)
    scores, _ = expected(module, words)
    assert scores.shape == (3, WORDS, WINDOW)
    torch.testing.assert_close(module(words), scores, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(module(words.int()), scores, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_goes_on_from_window_to_window(cell: str):
    """Three windows in turn are one long sequence; the gradient stops between them."""
    module, words = built(cell), some_words(3, 3 * WINDOW)
    carried = {name: torch.zeros(3, 6).double() for name in module.states}
    trained = {name: part.detach().requires_grad_() for name, part in module.named_parameters() if part.requires_grad}
    whole, last = expected(module, words)
    found = []
    for at in range(0, 3 * WINDOW, WINDOW):
        scores = functional_call(module, ({**trained, **carried},), (words[:, at : at + WINDOW],))
        assert not any(state.requires_grad for state in carried.values())
        found.append(scores)
    torch.testing.assert_close(torch.cat(found, dim=2), whole, rtol=1e-11, atol=1e-12)
    for state, end in zip(carried.values(), last, strict=True):
        torch.testing.assert_close(state, end, rtol=1e-11, atol=1e-12)
    _, before = expected(module, words[:, : 2 * WINDOW])
    layer = reference(module)
    start = tuple(part.detach().unsqueeze(0) for part in before)
    states, _ = layer(module.embedding.weight[words[:, 2 * WINDOW :]], start if len(start) == 2 else start[0])
    scores = states @ module.read_out.weight.T + module.read_out.bias
    (alone,) = torch.autograd.grad(scores.square().sum(), [layer.weight_ih_l0])
    (gradient,) = torch.autograd.grad(found[2].square().sum(), [trained["from_input"]])
    torch.testing.assert_close(gradient, alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("softmax", ["full", "sampled"])
def test_a_fleet_computes_what_single_networks_do(cell: str, softmax: Any):
    """Outputs, losses, gradients and states of three members over two steps, each on its own words."""
    model = LanguageModel(cell=cell, hidden=6, embedding=4, softmax=softmax, samples=9)
    check_model(model, SHAPES)
    modules = [model.build(SHAPES).double() for _ in range(3)]
    carried = {name: torch.zeros(3, 4, 6).double() for name in model.carried(modules[0])}
    own = [{name: torch.zeros(4, 6).double() for name in carried} for _ in modules]
    draws = random.Random(0)
    for step in range(2):
        call = model.training_call(draws)
        words, targets = (some_words(3, 4, 2 * WINDOW)[..., at : at + WINDOW] for at in (step, step + 1))
        found = stacked_pass(model, modules, Text(), words, targets, call, training=True, carried=carried)
        carried = {name: found.buffers[name] for name in carried}
        for member, module in enumerate(modules):
            outputs = functional_call(module, own[member], (words[member],), dict(call))
            loss = model.loss(outputs, targets[member], words[member], Text().loss)
            parts = torch.autograd.grad(loss, [part for part in module.parameters() if part.requires_grad])
            torch.testing.assert_close(found.losses[member], loss.detach(), rtol=1e-10, atol=1e-12)
            for mine, theirs in zip(found.gradients.values(), parts, strict=True):
                torch.testing.assert_close(mine[member], theirs, rtol=1e-9, atol=1e-12)
            for name, state in own[member].items():
                torch.testing.assert_close(carried[name][member], state, rtol=1e-10, atol=1e-12)
                assert bool(state.any())


# -- the sampled softmax ---------------------------------------------------------------------------------------


def chances(law: str, words: int) -> list[float]:
    """The law in Python's own arithmetic."""
    if law == "uniform":
        return [1 / words] * words
    return [math.log((word + 2) / (word + 1), words + 1) for word in range(words)]


def sampled_loss(module: LanguageNetwork, uniforms: Tensor, words: Tensor, targets: Tensor) -> Tensor:
    """The training objective of a sample."""
    outputs = module(words, uniforms)
    assert isinstance(outputs, Sampled)
    return LanguageModel().loss(outputs, targets, words, Text().loss)


@pytest.mark.parametrize("law", ["log-uniform", "uniform"])
def test_the_law_of_the_draws(law: Any):
    """A grid of uniform numbers hits every word as often as the law says, and as often as is expected."""
    count, words = 100_000, 11
    places, counts = drawn((torch.arange(count, dtype=torch.float64) + 0.5) / count, words, law)
    hits = torch.bincount(places, minlength=words)
    for word, chance in enumerate(chances(law, words)):
        assert abs(int(hits[word]) - count * chance) <= 1
        assert float(counts[places == word][0]) == pytest.approx(count * chance, rel=1e-9)
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    for size in (1, *range(5, 60), 10_000, 33_278):
        assert drawn(ends, size, law)[0].tolist() == [0, size - 1]
    assert chances("log-uniform", 3) == pytest.approx([0.5, 0.2924812503605781, 0.20751874963942190], rel=1e-12)


@pytest.mark.parametrize("law", ["log-uniform", "uniform"])
def test_the_sum_of_a_sample_is_unbiased_and_its_loss_is_not(law: Any):
    """Over all 7³ samples of three words, each weighed by its chance: E Ẑ and E ∂Ẑ are the full sum's, exactly."""
    module, words, targets = built("gru", hidden=2, law=law), some_words(1, 1), torch.tensor([[2]])
    chance = chances(law, WORDS)
    ends = np.cumsum(chance)
    middles = torch.from_numpy(ends - np.array(chance) / 2)
    leaf = module.read_out.weight
    scores = module(words)[0, :, 0]
    full = scores.exp().sum()
    (full_gradient,) = torch.autograd.grad(full, [leaf], retain_graph=True)
    own = scores[2].item()
    full_loss = math.log(full.item()) - own
    mean, mean_loss, mean_gradient = 0.0, 0.0, torch.zeros_like(leaf)
    for sample in itertools.product(range(WORDS), repeat=3):
        weight = math.prod(chance[word] for word in sample)
        loss = sampled_loss(module, middles[list(sample)], words, targets)
        whole = (loss + module(words)[0, 2, 0]).exp()
        by_hand = math.exp(own) + sum(scores[k].exp().item() / (3 * chance[k]) for k in sample if k != 2)
        assert whole.item() == pytest.approx(by_hand, rel=1e-9)
        (gradient,) = torch.autograd.grad(whole, [leaf])
        mean, mean_loss = mean + weight * whole.item(), mean_loss + weight * loss.item()
        mean_gradient += weight * gradient
    assert mean == pytest.approx(full.item(), rel=1e-9)
    torch.testing.assert_close(mean_gradient, full_gradient, rtol=1e-8, atol=1e-10)
    assert 0.001 < full_loss - mean_loss < 0.5


@pytest.mark.parametrize("law", ["log-uniform", "uniform"])
def test_a_large_sample_is_the_full_softmax(law: Any):
    """Loss and gradients over 20,000 evenly spread draws; all positions of a batch."""
    module, words, targets = built("lstm", law=law), some_words(3, WINDOW), some_words(3, WINDOW + 1)[:, 1:]
    uniforms = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    leaves = [part for part in module.parameters() if part.requires_grad]
    full = functional.cross_entropy(module(words), targets)
    found = sampled_loss(module, uniforms, words, targets)
    assert found.item() == pytest.approx(full.item(), rel=1e-3)
    for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(full, leaves), strict=True):
        assert float((one - other).norm()) < 1e-3 * float(other.norm())


def test_draws_that_hit_the_target_are_left_out():
    """Where all do there is nothing to tell apart: loss and gradient are zero, and no number is infinite."""
    module, words, targets = built("gru"), some_words(2, WINDOW), torch.zeros(2, WINDOW, dtype=torch.int32)
    loss = sampled_loss(module, torch.zeros(4, dtype=torch.float64), words, targets)
    assert loss.item() == 0
    for part in torch.autograd.grad(loss, [module.read_out.weight, module.from_hidden]):
        assert not bool(part.any())


def test_what_is_drawn_a_step():
    """As many uniform numbers as a sample has, from the source given and nothing else; none for the full softmax."""
    model = LanguageModel(softmax="sampled", samples=6)
    first, again = (model.training_call(random.Random(4))["uniforms"] for _ in range(2))
    source = random.Random(4)
    assert first.tolist() == again.tolist() == [source.random() for _ in range(6)]
    assert not model.training_call(source)["uniforms"].equal(first)
    assert LanguageModel().training_call(random.Random(4)) == {}


def test_judging_takes_the_full_softmax():
    """A model that is trained on samples is judged as one that is not."""
    (plain,), (sampled,) = (
        train(
            LanguageModel(hidden=6, embedding=4, softmax=softmax, samples=2),
            Text(),
            recipe=unmoved(judge_batch=7),
            headline=PERPLEXITY,
        )
        for softmax in ("full", "sampled")
    )
    assert plain.weights.keys() == sampled.weights.keys()
    assert all(part.equal(sampled.weights[name]) for name, part in plain.weights.items())
    assert plain.headline == sampled.headline > 1


# -- in the engine ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "softmax"), [("lstm", "full"), ("gru", "sampled")])
def test_a_text_is_learned(cell: Any, softmax: Any, tmp_path):
    """Perplexity falls from about 7 towards 2, the least there is; tickets have no state."""
    model = LanguageModel(cell=cell, hidden=16, embedding=8, softmax=softmax, samples=4)
    start = train(model, Text(), recipe=unmoved(), seeds=(0, 1), headline=PERPLEXITY)
    members = train(model, Text(), recipe=RECIPE, seeds=(0, 1), headline=PERPLEXITY)
    for member, before in zip(members, start, strict=True):
        assert member.status == "ok", member.reason
        assert before.headline > 5.5
        assert 1.9 < member.headline < 3
        assert member.ticket is not None
        member.ticket.save(tmp_path / "ticket.safetensors")
        kept = Ticket.load(tmp_path / "ticket.safetensors").weights
        states = model.carried(member.trial.module)
        assert [kept[name].shape for name in states] == [(0, 16)] * len(states)
        assert kept["embedding.weight"].shape == (WORDS, 8)
    first, second = (member.ticket.weights["embedding.weight"] for member in members if member.ticket)
    assert not first.equal(second)
    for member, drawn_once in zip(members, (first, second), strict=True):
        assert member.trial.snapshot().buffers["embedding.weight"].equal(drawn_once)


def test_what_a_window_costs():
    """FLOPs of one forward pass, by hand; a sample reads fewer words."""
    model = LanguageModel(hidden=6, embedding=4, softmax="sampled", samples=3)
    work = work_of(model, SHAPES, {})
    assert work.by_weight == {
        "from_input": 2 * WINDOW * 4 * 24,
        "from_hidden": 2 * WINDOW * 6 * 24,
        "read_out.weight": 2 * WINDOW * 6 * WORDS,
    }
    sampled = work_of(model, SHAPES, model.training_call(random.Random(0)))
    assert work.flops() - sampled.flops() == 2 * WINDOW * 6 * (WORDS - 3)


def test_states_stay_in_full_precision():
    """With products in fewer bits."""
    model = LanguageModel(hidden=6, embedding=4, softmax="sampled", samples=3)
    module = model.build(SHAPES)
    carried = {name: torch.zeros(1, 4, 6) for name in model.carried(module)}
    words, call = some_words(1, 4, WINDOW), model.training_call(random.Random(0))
    low, plain = (
        stacked_pass(model, [module], Text(), words, words, call, True, carried=carried, precision=precision)
        for precision in ("bf16", "fp32")
    )
    torch.testing.assert_close(low.losses.float(), plain.losses, rtol=0.05, atol=0.05)
    assert not low.losses.float().equal(plain.losses)
    assert bool(low.buffers["carried_hidden"].any())
    assert low.buffers["carried_hidden"].dtype == torch.float32


@pytest.mark.parametrize("inputs", [(28, 28), (), (0,)])
def test_only_windows_of_words_are_read(inputs: tuple[int, ...]):
    """An image or nothing is refused."""
    with pytest.raises(OptionError, match=r"'language_model' takes windows of words \(window,\), not inputs of shape"):
        LanguageModel().build(Shapes(inputs, 10))
