"""Steps that are taken many times over: captured as a CUDA graph after a few, and replayed from then on.

What can be replayed is a function without arguments and results that reads and writes tensors which stay where they
are. Whatever cannot be captured is launched step by step, and `how` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

WARM_STEPS = 3
"""Steps that are launched before the first capture: libraries choose their ways and kernels are compiled."""
SEVERAL = 16
"""Steps of the longer of the two graphs: a launch a step costs more than a small network."""

Step = Callable[[], None]


class Recorder(Protocol):
    """Makes a step, or several in a row, repeatable without the host."""

    name: str
    """For the record."""
    spoils: bool
    """Whether whatever a step has used up is overwritten, to show who reads it again."""

    def record(self, step: Step, times: int, held: Sequence[Tensor]) -> Step:
        """The step so many times over, as one thing to call. `held` are the tensors that stay where they are."""
        ...

    def close(self) -> None:
        """Let go of everything that was recorded."""
        ...


class CudaGraphs:
    """Captures steps on a stream of its own, all in one pool of memory."""

    name = "graph"
    spoils = False

    def __init__(self) -> None:
        self.stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.pool: Any = torch.cuda.graph_pool_handle()
        self.graphs: list[torch.cuda.CUDAGraph] = []

    def record(self, step: Step, times: int, held: Sequence[Tensor]) -> Step:
        """Capture without computing."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            for _ in range(times):
                step()
        self.graphs.append(graph)
        return graph.replay

    def close(self) -> None:
        """Give back the memory of the graphs."""
        for graph in self.graphs:
            graph.reset()
        self.graphs = []


class Replays:
    """Takes a step any number of times, by the longest recording that fits."""

    def __init__(self, step: Step, recorder: Recorder, held: Callable[[], Sequence[Tensor]]) -> None:
        self.step = step
        self.recorder = recorder
        self.held = held
        self.taken = 0
        self.recorded: dict[int, Step] = {}
        self.failure = ""

    @property
    def how(self) -> str:
        """How steps are taken, for the record."""
        return f"eager ({self.failure})" if self.failure else self.recorder.name

    def run(self, count: int) -> None:
        """So many steps."""
        while count > 0:
            times = self._times(count)
            (self.recorded.get(times) or self.step)()
            self.taken += times
            count -= times

    def _times(self, count: int) -> int:
        if self.taken < WARM_STEPS or self.failure:
            return 1
        times = SEVERAL if count >= SEVERAL else 1
        if times not in self.recorded:
            try:
                self.recorded[times] = self.recorder.record(self.step, times, self.held())
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self.failure = str(error).splitlines()[0]
                self.recorded.clear()
                return 1
        return times

    def close(self) -> None:
        """Let go of the recordings."""
        self.recorded.clear()
        self.recorder.close()
