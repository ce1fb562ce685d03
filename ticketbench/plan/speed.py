"""How fast cells are computed somewhere: what an operation, a product and a byte cost on a CPU, and on a card.

The rate of products and the cost of a call are measured on a CPU; a card's rates are the table's, or measured where the
table lacks the card that is here. All other numbers were fitted to runs of the suites' smoke and small tiers on one
core of a server's CPU, and to training steps on an H200. They tell minutes from hours; what a machine was found to
take corrects them (see `ticketbench.plan.measured`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ticketbench.plan.card import Card
from ticketbench.plan.cost import Cost, Forwards

SMALL_PRODUCTS = {"cpu": 0.7, "fp32": 0.5, "tf32": 0.2, "bf16": 0.2}
"""The share of the rate that the products of small stacked networks reach: our assumption, a CPU's of what was measured
and a card's of its data sheet. An H200 gave 17 % of its bf16 peak to a narrow convolution as a stacked product."""
WIDE_OPERATIONS = 3
"""Operations launched for one of the forward: its own, and about two of its backward pass."""
STEP_CALLS = 200
"""What a training step costs on a CPU whatever is in it, as a multiple of a call of a small operation of torch."""
OPERATION_CALLS = 10
"""What an operation of the forward costs there on its way through a stacked model and back, likewise."""
OPTIMIZER_LAUNCHES = 12
"""Operations launched for gathering a batch, masks, clipping and the update."""
TRAFFIC = 3
"""How often a card reads or writes a result of the forward pass: when it is made, when it is used, on the way back."""


class Seconds(NamedTuple):
    """How long something takes: in all, and how long the card is busy with it, which no other worker can use."""

    all: float
    busy: float

    def times(self, count: float) -> Seconds:
        """So many of it, one after the other."""
        return Seconds(self.all * count, self.busy * count)

    def plus(self, other: Seconds) -> Seconds:
        """This, and then the other."""
        return Seconds(self.all + other.all, self.busy + other.busy)


@dataclass(frozen=True)
class Speed:
    """What computing costs on one worker of a machine."""

    about: str
    """What it was computed for, and where its numbers are from, for people."""
    device: str
    """"cpu" or "cuda"."""
    rates: Mapping[str, float]
    """Precision -> FLOP/s that products of small networks reach."""
    weight_bytes: float
    """Bytes a second of weights, slots and masks in an update."""
    activation_bytes: float
    """Bytes of forward results a second of a training step."""
    start: float
    """Seconds until the first fleet of a worker begins: importing torch, loading plugins, the first compilation."""
    first: float
    """Seconds of those that are spent in the first fleet: what torch does once in a process."""
    fleet: float
    """Seconds that each fleet costs beside its steps."""
    cell: float
    """Seconds that each cell costs beside its steps: drawing its weights, its record."""
    step: float
    """Seconds of the host for a training step, whatever is in it."""
    operation: float
    """Seconds of the host for an operation of the forward pass in a training step."""
    launch: float
    """Seconds of the card for a launched operation, however small."""

    @property
    def on_card(self) -> bool:
        """Whether host and device work at the same time, so that the slower of both counts."""
        return self.device == "cuda"

    def rate(self, precision: str) -> float:
        """FLOP/s of small products at a precision."""
        return self.rates.get(precision) or self.rates["fp32"]

    def training_step(self, cost: Cost, members: float, precision: str) -> Seconds:
        """One training step of so many stacked members.

        On a card a step is captured once and costs the host `step` alone, unless its operations differ from step to
        step: then each is launched.
        """
        work, operations = cost.training, cost.training.operations
        computed = cost.step_flops() * members / self.rate(precision)
        moved = cost.update_bytes() * members / self.weight_bytes
        kept = work.activations * cost.batch * members / self.activation_bytes
        launches = WIDE_OPERATIONS * operations + OPTIMIZER_LAUNCHES
        device = computed + moved + kept + launches * self.launch
        host = self.step + (operations * self.operation if cost.varied or not self.on_card else 0.0)
        return self.together(host, device)

    def looking(self, cost: Cost, precision: str) -> Seconds:
        """One forward and backward pass of one member alone, as a scorer or a probe takes it."""
        computed = cost.step_flops() / self.rate(precision)
        kept = cost.training.activations * cost.batch / self.activation_bytes
        return self.together(self.step + cost.training.operations * self.operation, computed + kept)

    def judging(self, forwards: Forwards, members: float, precision: str) -> Seconds:
        """Forward passes of so many stacked members over a split."""
        computed = forwards.flops * members / self.rate(precision)
        kept = forwards.activations * members / self.activation_bytes / TRAFFIC
        device = computed + kept + forwards.operations * self.launch
        return self.together(forwards.operations * self.operation / WIDE_OPERATIONS, device)

    def together(self, host: float, device: float) -> Seconds:
        """Both one after the other on a CPU; at the same time where there is a card."""
        return Seconds(max(host, device), device) if self.on_card else Seconds(host + device, 0.0)


def cpu_speed() -> Speed:
    """One thread of this machine's CPU; products and small operations are measured, which takes a moment."""
    call = measured_call()
    return Speed(
        about="this CPU, measured",
        device="cpu",
        rates={"fp32": SMALL_PRODUCTS["cpu"] * measured_rate("cpu")},
        weight_bytes=5e9,
        activation_bytes=2e9,
        start=7.0,
        first=1.7,
        fleet=0.05,
        cell=0.02,
        step=STEP_CALLS * call,
        operation=OPERATION_CALLS * call,
        launch=0.0,
    )


def card_speed(card: Card, about: str) -> Speed:
    """One worker on a card, from its data sheet and the share of it that small products reach."""
    return Speed(
        about=about,
        device="cuda",
        rates={name: SMALL_PRODUCTS[name] * rate for name, rate in card.rates.items()},
        weight_bytes=0.9 * card.bandwidth,
        activation_bytes=0.9 * card.bandwidth / TRAFFIC,
        start=5.0,
        first=1.7,
        fleet=3.0,
        cell=0.02,
        step=3e-5,
        operation=WIDE_OPERATIONS * 8e-6,
        launch=2.5e-6,
    )


def measured_card(device: str) -> Card:
    """The card that is here, by timing products and copies on it: what small products reach, not a peak.

    The rates are divided by the share that small products reach of a data sheet's, so that they can be used as such.
    """
    moved = torch.empty(1 << 26, device=device)
    seconds = best_seconds(lambda: moved.add_(1.0), device)
    rates = {"fp32": measured_rate(device) / SMALL_PRODUCTS["fp32"]}
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        rates["tf32"] = measured_rate(device) / SMALL_PRODUCTS["tf32"]
    finally:
        torch.set_float32_matmul_precision(before)
    rates["bf16"] = measured_rate(device, torch.bfloat16) / SMALL_PRODUCTS["bf16"]
    memory = torch.cuda.mem_get_info(device)[1]
    return Card(torch.cuda.get_device_name(device), memory, 2 * 4 * moved.numel() / seconds, rates)


def measured_rate(device: str, precision: torch.dtype = torch.float32) -> float:
    """FLOP/s of one worker on batched products of the size that small networks have."""
    batch = 1 if device == "cpu" else 64
    left = torch.rand(batch, 128, 256, device=device, dtype=precision)
    right = torch.rand(batch, 256, 128, device=device, dtype=precision)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return 2 * left.numel() * 128 / best_seconds(lambda: torch.bmm(left, right), device)
    finally:
        torch.set_num_threads(threads)


def measured_call() -> float:
    """Seconds of a call of a small operation of torch on this CPU."""
    value = torch.zeros(8, 8)

    def chain() -> None:
        for _ in range(20):
            torch.add(value, 1.0)

    return best_seconds(chain, "cpu") / 20


def best_seconds(call: Callable[[], object], device: str) -> float:
    """The least time that a call took, over five rounds of ten."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(10):
            call()
        if device != "cpu":
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - start) / 10)
    return best
