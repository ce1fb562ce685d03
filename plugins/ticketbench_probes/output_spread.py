"""How widely an untrained network's outputs spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import OptionError, Probe, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class OutputSpread(Probe):
    """σ(f(x)), the standard deviation of the outputs (logits): one for a signal that neither fades nor explodes.

    "outputs" is the standard deviation over examples and classes (and positions) together, "examples" that over
    examples alone, in the mean over classes, to which a constant output adds nothing. x is standard normal noise in
    the shape of the task's inputs, the same at each look, or training examples. The network is looked at before
    anything is drawn ("started": dense) and as the ticket that starts to train ("drawn"), in training mode. A method
    that trains while it draws hands over trained weights.

    Deviation: the authors' code runs its networks, which have no batch norm, in evaluation mode.
    """

    name = "output_spread"
    summary = "the standard deviation of the outputs at initialization, before and after the ticket is drawn"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 4.1"
    moments = ("started", "drawn")

    examples: int = option(500, "inputs to spread over", at_least=2)
    inputs: Literal["noise", "training"] = option("noise", "standard normal noise, or training examples")

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """The deviation over all outputs together, and the mean over classes of that over examples."""
        with torch.no_grad():
            outputs = trial.outputs(self.signal(trial)).double()
        return {
            "outputs": float(outputs.std(correction=0)),
            "examples": float(outputs.std(dim=0, correction=0).mean()),
        }

    def signal(self, trial: Trial) -> Tensor:
        """What the network is given."""
        examples = next(trial.batches(1, self.examples)).inputs
        if self.inputs == "training":
            return examples
        if not examples.is_floating_point():
            raise OptionError(
                f"'output_spread' with inputs = \"noise\" cannot make noise of {examples.dtype} inputs, such as "
                'tokens. What would work: inputs = "training".'
            )
        size = (self.examples, *examples.shape[1:])
        return torch.randn(size, generator=trial.generator("noise")).to(examples)
