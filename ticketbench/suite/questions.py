"""Questions: the few comparisons that a suite is about, to be stated before anything is computed."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from ticketbench.suite.base import Density, Name
from ticketbench.suite.paper import Aspect, Tiers, as_aspect, complain
from ticketbench.suite.where import Several

FEWEST_SEEDS = 5
"""Seeds below which no comparison is decided."""
TRIED = "smoke"
"""The tier that only shows that everything runs: no question is asked in it."""


class Question(Several, Aspect):
    """Which sides are compared with which: all that a reader of the suite wants decided, corrected together.

    Every cell that the filters leave is one side; its partner differs in what `than` names and in nothing else.
    """

    name: Name
    text: str
    """The question in words."""
    rows: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Default: all rows but the one that `than` names."""
    densities: Annotated[tuple[Density, ...], Field(strict=False)] = ()
    """Default: all."""
    than: Annotated[Aspect, BeforeValidator(as_aspect)]
    margin: Annotated[float, Field(ge=0)] | None = None
    """Differences smaller than this do not matter. Default: the headline's margin, where the headline is asked for."""
    tiers: Tiers = ()
    """The tiers it is asked in. Default: all but the one that only shows that everything runs."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.row is not None:
            raise ValueError("a question has `rows`, a list, instead of `row`")
        if self.density is not None:
            raise ValueError("a question has `densities`, a list, instead of `density`")
        complain(self)
        complain(self.changed(self.than))
        return self

    def asked_in(self, tier: str) -> bool:
        """Whether a tier's records are to answer it."""
        return tier in self.tiers if self.tiers else tier != TRIED
