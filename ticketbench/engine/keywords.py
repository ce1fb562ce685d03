"""How the keywords behave that a model's forward gets at its training steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ticketbench.errors import OptionError
from ticketbench.plugin.calls import form_of
from ticketbench.plugin.contracts import Model
from ticketbench.seeds import common

FIRST_STEPS = 4
"""Steps whose keywords tell how all of them behave."""


@dataclass(frozen=True)
class Keywords:
    """Plain values decide what is computed; tensors only which numbers it is computed with."""

    form: str
    """What the keywords of all steps have in common, if they have."""
    any: bool
    """Whether there are some at all: drawn for a step, so that members that share them must be at the same one."""
    replayable: bool
    """Whether every step is the same computation, so that one can be recorded for all."""

    @classmethod
    def of(cls, model: Model) -> Keywords:
        """How a model's keywords behave, by those of its first steps."""
        calls = [model.training_call(common("training call", step)) for step in range(FIRST_STEPS)]
        tensors = all(isinstance(value, Tensor) for call in calls for value in call.values())
        forms = {form_of(call) for call in calls}
        return cls(form_of(calls[0]), any(calls), tensors and len(forms) == 1)

    def check(self, model: Model, call: Mapping[str, Any], step: int) -> None:
        """A step's keywords are of the form that was recorded, or an `OptionError` says which are not."""
        if form_of(call) != self.form:
            raise OptionError(
                f"model '{model.name}': the keywords of step {step} are {form_of(call)}, those of its first steps "
                f"{self.form}. Keywords that are tensors must keep their names and shapes at every step"
            )
