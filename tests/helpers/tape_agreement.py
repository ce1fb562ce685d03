"""Whether the machine computes what torch does, of a random network under a random mask."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from machines import single_ways
from random_tapes import Network
from torch import Tensor

from ticketbench.sparse.code import INPUTS, SHARES, TARGETS
from ticketbench.sparse.library import Rule
from ticketbench.sparse.live import Live
from ticketbench.sparse.program import Rows, Runner

RELATIVE = 1e-9
RATE = 0.05
STEPS = 3


def compare(seed: int) -> None:
    """Outputs, losses, gradients and steps of training: the twin against torch, the other ways among themselves."""
    case = Case(seed)
    try:
        case.check()
    except Exception as error:
        raise AssertionError(
            f"{type(error).__name__}: {error}\n{case}\nagain: python tests/helpers/random_tapes.py 1 --first {seed}"
        ) from None


@dataclass
class Results:
    """Of one way to compute."""

    outputs: list[Tensor]
    loss: float
    gradients: dict[str, Tensor]
    pulled: dict[str, Tensor]
    """Gradients for given gradients of the outputs."""
    trained: dict[str, Tensor]
    """Weights after some steps."""
    losses: float


@dataclass
class Case:
    """A network with weights, a mask, a batch and a tile."""

    seed: int
    network: Network = field(init=False)

    def __post_init__(self) -> None:
        """Drawn from the seed."""
        self.network = Network(self.seed)
        self.random = np.random.default_rng((self.seed, 1))
        draw, net = self.random, self.network
        self.batch, self.tile = int(draw.integers(1, 71)), 16 * int(draw.integers(1, 6))
        self.examples = self.batch + int(draw.integers(0, 9))
        places = net.places[0] * net.places[1]
        classes = min(answer.shape[0] for answer in net.tape.answers)
        self.inputs = torch.from_numpy(draw.standard_normal((self.examples, *net.inputs), np.float32))
        self.targets = torch.from_numpy(draw.integers(0, classes, (self.examples, places)))
        weighted = draw.random() < 0.4
        shares = torch.from_numpy(draw.random((self.examples, places), np.float32)) / (self.batch * places)
        self.shares = shares if weighted else None
        self.given = [torch.from_numpy(draw.standard_normal((self.batch, *one.shape))) for one in net.tape.answers]
        self.order = np.stack([draw.permutation(self.examples)[: self.batch] for _ in range(STEPS)])
        shapes = {name: net.tape.shapes[name] for name in net.tape.parameters}
        self.masks = {name: torch.from_numpy(self.mask(shape)) for name, shape in shapes.items() if len(shape) > 1}
        self.weights = {
            name: torch.from_numpy(draw.standard_normal(shape, np.float32) * 0.5) * self.masks.get(name, 1)
            for name, shape in shapes.items()
        }

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        """From all weights to none, and with empty rows."""
        draw = self.random
        density = draw.choice([0.0, 0.05, 0.3, 0.6, 1.0, 1.0])
        found = draw.random(shape) < density
        if draw.random() < 0.15:
            found[:] = False
            found.flat[draw.integers(found.size)] = True
        if draw.random() < 0.3:
            found[draw.random(shape[0]) < 0.5] = False
        return found

    def __str__(self) -> str:
        """What was drawn."""
        live = {name: f"{int(mask.sum())} of {mask.numel()}" for name, mask in self.masks.items()}
        said = "\n  ".join(f"#{number + 1} {words}" for number, words in enumerate(self.network.said))
        drawn = f"seed {self.seed}, batch {self.batch}, tile {self.tile}, shares {self.shares is not None}"
        return f"{drawn}, {live}\n  {said}"

    # -- both ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Near torch in double precision; the same bits in single precision, near the same."""
        expected, twin = self.by_torch(), self.by_machine("twin")
        self.near(twin, expected, RELATIVE)
        first, *others = (self.by_machine(way) for way in single_ways())
        for other in others:
            same(first, other)

    def near(self, found: Results, expected: Results, relative: float) -> None:
        """Each tensor, in units of its largest number."""
        for number, (one, other) in enumerate(zip(found.outputs, expected.outputs, strict=True)):
            close(one, other, relative, f"answer {number}")
        assert abs(found.loss - expected.loss) <= relative * max(1.0, abs(expected.loss)), "the loss"
        for what in ("gradients", "pulled", "trained"):
            for name, tensor in getattr(expected, what).items():
                close(getattr(found, what)[name], tensor, relative, f"{what} of {name}")
        assert abs(found.losses - expected.losses) <= 1e-5 * max(1.0, abs(expected.losses)), "losses of steps"

    def by_torch(self) -> Results:
        """Dense, and masked."""
        net, weights = self.network, {name: one.double() for name, one in self.weights.items()}

        def derived(picked: slice | np.ndarray, given: list[Tensor] | None = None) -> tuple[list[Tensor], float, dict]:
            leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
            outputs = net.forward(self.inputs[picked].double(), leaves)
            shares = None if self.shares is None else self.shares[picked].double()
            loss = net.loss(outputs, self.targets[picked], shares)
            whole = loss if given is None else sum((a * b).sum() for a, b in zip(outputs, given, strict=True))
            whole.backward()
            zeros = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
            gradients = {name: zeros[name] if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}
            masked = {name: gradient * self.masks.get(name, 1) for name, gradient in gradients.items()}
            return [output.detach() for output in outputs], loss.item(), masked

        outputs, loss, gradients = derived(slice(self.batch))
        _, _, pulled = derived(slice(self.batch), self.given)
        total = 0.0
        for picked in self.order:
            _, one, moved = derived(picked)
            total += one
            weights = {name: weight - RATE * moved[name] for name, weight in weights.items()}
        return Results(outputs, loss, gradients, pulled, weights, total)

    def by_machine(self, way: str) -> Results:
        """Over live weights alone."""
        net, double = self.network, way == "twin"
        kind = torch.float64 if double else torch.float32
        live = Live(net.tape.parameters, self.weights, self.masks, factor=lambda name: 1.0, double=double)
        inputs, targets = self.inputs[: self.batch], self.targets[: self.batch]
        shares = None if self.shares is None else self.shares[: self.batch]

        def gradients() -> dict[str, Tensor]:
            out = {name: torch.zeros(weight.shape, dtype=kind) for name, weight in self.weights.items()}
            live.put_gradients(out)
            live.gradients[:] = 0
            return out

        outputs = Runner.of(net.tape, self.tile, "forward", way=way).outputs(live, inputs)
        trainer = Runner.of(net.tape, self.tile, "train", shares is not None, way)
        loss = trainer.gradients(live, inputs, targets, shares)
        found = gradients()
        puller = Runner.of(net.tape, self.tile, "pull", way=way)
        puller.gradients(live, inputs, targets, given=[one.to(kind) for one in self.given])
        pulled = gradients()
        rows = {INPUTS: Rows(self.inputs, True), TARGETS: Rows(self.targets, True)}
        if self.shares is not None:
            rows[SHARES] = Rows(self.shares, True)
        total, rule = np.zeros(1, np.float32), Rule(0, 0, 0, 0, 0, 0, 0, 0)
        rates = np.full(STEPS, RATE)
        trainer.train(live, rows, self.batch, rule, self.order, rates, 0, total, trainer.arena())
        trained = {name: torch.zeros(weight.shape, dtype=kind) for name, weight in self.weights.items()}
        live.put(trained)
        return Results(outputs, loss, found, pulled, trained, float(total[0]))


def close(found: Tensor, expected: Tensor, relative: float, what: str) -> None:
    """In units of the largest number there is."""
    error = (found.double() - expected).abs().max().item()
    assert error <= relative * max(1e-3, expected.abs().max().item()), f"{what} is off by {error:.3g}"


def same(one: Results, other: Results) -> None:
    """Bit for bit."""
    assert (one.loss, one.losses) == (other.loss, other.losses), "losses differ between ways"
    for number, (first, second) in enumerate(zip(one.outputs, other.outputs, strict=True)):
        assert torch.equal(first, second), f"answer {number} differs between ways"
    for what in ("gradients", "pulled", "trained"):
        for name, tensor in getattr(one, what).items():
            assert torch.equal(tensor, getattr(other, what)[name]), f"{what} of {name} differs between ways"
