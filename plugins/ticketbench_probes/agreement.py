"""Whether solutions say the same of the test split, and what an ensemble of them gains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from ticketbench import Probe, TicketError, option
from ticketbench_probes.forward import evaluated

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Companion, Split, Trial


@dataclass(frozen=True)
class Agreement(Probe):
    """How often solutions classify the test split differently, how far their outputs lie apart, what an ensemble gains.

    With p = softmax of a network's outputs over the classes, of every companion called "… end":
    "disagreement with NAME" is the share of the test inputs that it and the judged network classify differently,
    "kl to NAME" the mean over them of KL(p_this ‖ p_NAME) = Σ_c p_this(c)·(log p_this(c) − log p_NAME(c)), and
    "METRIC of NAME" its own metrics (the judged network's own are the cell's).

    Companions whose names differ in their numbers alone ("lottery 1 end", "lottery 2 end") are a group ("lottery"); the
    judged network is a member of the group that `joins` names, and of none by default. Of a group of two or more:
    "disagreement within GROUP" and "kl within GROUP" are means over its pairs (KL: in both directions), "mean METRIC of
    GROUP" is the mean over its members, "ensemble METRIC of GROUP" that of the mean of its members' p. Whatever its
    size, "disagreement of GROUP with NAME" is the mean over its members' disagreements with the companion `against`,
    where there is one and it is no member.

    Softmax and KL are computed in float64. The paper does not print its formula of KL; the direction is a choice.
    """

    name = "agreement"
    summary = "disagreement, KL divergence and ensembles of the judged network and its companions, on the test split"
    reference = "Evci et al. 2022 (arXiv 2010.03533), on lottery tickets; Fort et al. 2019 (arXiv 1912.02757)"
    moments = ("judged",)

    joins: str = option("", "the group that the judged network is a member of; empty for none")
    against: str = option("prune end", "the companion that every group is compared with; empty for none")

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Companion by companion, then group by group."""
        ends = {name: companion for name, companion in trial.companions.items() if name.split()[-1:] == ["end"]}
        if not ends:
            return {}
        judged = trial.judged
        mine = log_probabilities(trial, judged)
        logs = {name: log_probabilities(trial, judged, companion) for name, companion in ends.items()}
        found: dict[str, float] = {}
        for name, log in logs.items():
            if log.shape != mine.shape:
                raise TicketError(
                    f"agreement compares networks of the same classes: '{name}' has {log.shape[1]}, the judged one "
                    f"{mine.shape[1]}. Leave the probe out where a head is replaced."
                )
            found |= {f"disagreement with {name}": disagreement(mine, log), f"kl to {name}": divergence(mine, log)}
            found |= {f"{metric} of {name}": value for metric, value in trial.metrics(log, judged).items()}
        for group, names in self.groups(logs).items():
            members = [*(logs[name] for name in names), *([mine] if group == self.joins else [])]
            if self.against in logs and self.against not in names:
                apart = [disagreement(member, logs[self.against]) for member in members]
                found[f"disagreement of {group} with {self.against}"] = fmean(apart)
            if len(members) > 1:
                found |= {f"{what} {group}": value for what, value in together(trial, judged, members).items()}
        return found

    def groups(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Group -> its companions; that of the judged network may have no other member."""
        found: dict[str, list[str]] = {}
        for name in names:
            stem = " ".join(word for word in name.split()[:-1] if not word.isdecimal())
            found.setdefault(stem or name, []).append(name)
        return found | ({self.joins: []} if self.joins and self.joins not in found else {})


def log_probabilities(trial: Trial, judged: Split, companion: Companion | None = None) -> Tensor:
    """log p of the judged examples, (examples, classes), by a companion or by the network itself."""
    weights, buffers = (companion.weights, companion.buffers) if companion else (None, None)
    outputs = evaluated(trial, judged.inputs, weights, buffers)
    if outputs.ndim != 2:
        raise TicketError(
            f"agreement compares the classes of inputs, from outputs of shape (inputs, classes); here they have shape "
            f"{tuple(outputs.shape)}. Leave the probe out of this task's block."
        )
    return outputs.double().log_softmax(1)


def together(trial: Trial, judged: Split, members: Sequence[Tensor]) -> dict[str, float]:
    """What is said of a group of two or more."""
    ensemble = torch.stack(list(members)).logsumexp(0) - math.log(len(members))
    each = [trial.metrics(member, judged) for member in members]
    found = {
        "disagreement within": fmean(disagreement(*pair) for pair in combinations(members, 2)),
        "kl within": fmean(divergence(*pair) for pair in permutations(members, 2)),
    }
    for metric, value in trial.metrics(ensemble, judged).items():
        found |= {f"mean {metric} of": fmean(one[metric] for one in each), f"ensemble {metric} of": value}
    return found


def disagreement(one: Tensor, other: Tensor) -> float:
    """The share of the examples that two networks put into different classes."""
    return float((one.argmax(1) != other.argmax(1)).double().mean())


def divergence(one: Tensor, other: Tensor) -> float:
    """The mean over the examples of KL(one ‖ other)."""
    return float((one.exp() * (one - other)).sum(1).mean())
