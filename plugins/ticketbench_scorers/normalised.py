"""SNIP and GraSP for recurrent networks: divided by how much the hidden states depend on each weight."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Scorer, option
from ticketbench_scorers.gamma import NormalisedScorer
from ticketbench_scorers.grasp import Grasp
from ticketbench_scorers.layer import Layer
from ticketbench_scorers.snip import Snip

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class NormalisedByGamma(NormalisedScorer):
    """Another scorer's score, with its sign, over |γ| + ε."""

    @abstractmethod
    def plain(self) -> Scorer:
        """The scorer whose score is divided by |γ| + ε."""

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """The plain score / (|γ| + ε)."""
        layer = Layer(trial, self.name)
        scores = self.plain().score(trial)  # first, so that it is scored on the batch that it takes by itself
        features = layer.module.embed(next(trial.batches(1, self.batch)).inputs)
        return self.normalised(trial, layer, features, scores)


@dataclass(frozen=True)
class SnipNormalised(NormalisedByGamma):
    """s = |θ·g| / (|γ| + ε): `snip` on one batch over γ, the same γ as `jacobian` divides by.

    The paper's normalised SNIP starts from Glorot's initialization as well, which is the row's to choose.
    """

    name = "snip_normalised"
    summary = "|gradient × weight|, over how much the connection changes the hidden states"
    reference = "Lee, Ajanthan and Torr 2019 (arXiv 1810.02340), normalised by Zhang and Stadie 2020 (arXiv 1912.00120)"

    def plain(self) -> Scorer:
        """SNIP on one batch, as many examples as γ takes."""
        return Snip(batch=self.batch)


@dataclass(frozen=True)
class GraspNormalised(NormalisedByGamma):
    """s = (θ·Hg) / (|γ| + ε): `grasp` on one batch over γ, the same γ as `jacobian` divides by.

    The sign stays: the connections whose removal would raise the gradient flow most after division go first. The
    paper's normalised GraSP starts from Glorot's initialization as well, which is the row's to choose.

    Deviation: the paper prints no temperature; as in `grasp`, outputs are divided by 200 unless told otherwise.
    """

    name = "grasp_normalised"
    summary = "weight × Hessian-gradient product, over how much the connection changes the hidden states"
    reference = "Wang, Zhang and Grosse 2020 (arXiv 2002.07376), normalised by Zhang and Stadie 2020 (arXiv 1912.00120)"

    temperature: float = option(200.0, "divides the outputs before the criterion", at_least=1e-6)

    def plain(self) -> Scorer:
        """GraSP on one batch, as many examples as γ takes, at this temperature."""
        return Grasp(batch=self.batch, temperature=self.temperature)
