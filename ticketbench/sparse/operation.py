"""One step of a tape, forward and back."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.sparse.code import Code
from ticketbench.sparse.value import Value


@dataclass(frozen=True)
class Operation:
    """One step of a tape. How it is done, and what comes back through it, its class says."""

    reads: tuple[Value, ...]
    writes: tuple[Value, ...]

    @property
    def weights(self) -> tuple[str, ...]:
        """The parameters that it reads."""
        return ()

    @property
    def tables(self) -> tuple[str, ...]:
        """Parameters that it reads where they are, and which are never trained."""
        return ()

    @property
    def carried(self) -> tuple[str, ...]:
        """State that it takes up or leaves."""
        return ()

    @property
    def written(self) -> tuple[Value, ...]:
        """Of the values that it gives, those that it needs on its way back."""
        return ()

    @property
    def read(self) -> tuple[Value, ...]:
        """Of the values that it reads, those that it needs on its way back."""
        return ()

    @property
    def trains(self) -> bool:
        """Whether what it gives depends on weights, whatever it reads."""
        return bool(self.weights)

    def work(self) -> float:
        """Multiplications an example for each weight, were all of them live, times the weights."""
        return 0.0

    def forward(self, code: Code) -> None:
        """Write its instructions."""
        raise NotImplementedError

    def backward(self, code: Code) -> None:
        """Write the instructions of its way back: from the gradients of what it gives to those of what it reads."""
        raise NotImplementedError


@dataclass(frozen=True)
class Weighted(Operation):
    """Live weights times what is read, plus a bias and an addend, through a ReLU or not."""

    weight: str
    bias: str
    addend: Value | None
    relu: bool

    @property
    def weights(self) -> tuple[str, ...]:
        """The weight and the bias."""
        return (self.weight, self.bias) if self.bias else (self.weight,)

    @property
    def read(self) -> tuple[Value, ...]:
        """What the gradients of weights are products with."""
        return self.reads

    @property
    def written(self) -> tuple[Value, ...]:
        """Where its ReLU was open."""
        return self.writes if self.relu else ()
