"""A stand-in for CUDA graphs on any device: it holds a step to everything that a replayed one must keep to but speed.

A step is recorded as the list of operations that it launches, with every number of the host fixed as it was, and
replayed on the same tensors. So it fails, or computes something else, where a step asks for a value, where it depends
on what the host does meanwhile, and where it reads memory that nobody holds on to.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from ticketbench.engine.replay import Step


class Rehearsal:
    """Records steps as lists of operations."""

    name = "rehearsal"
    spoils = True

    def record(self, step: Step, times: int, held: Sequence[Tensor]) -> Step:
        """Record without leaving a trace in what is held: a capture computes nothing."""
        before = [tensor.detach().clone() for tensor in held]

        def several() -> tuple[Tensor, ...]:
            for _ in range(times):
                step()
            return ()

        graph = make_fx(several)()
        with torch.no_grad():
            for tensor, values in zip(held, before, strict=True):
                tensor.copy_(values)
        self._check(graph, held)

        def replay() -> None:
            with torch.no_grad():
                graph()

        return replay

    def close(self) -> None:
        """There is nothing to give back."""

    def _check(self, graph: torch.fx.GraphModule, held: Sequence[Tensor]) -> None:
        known = {tensor.untyped_storage().data_ptr() for tensor in held}
        for node in graph.graph.nodes:
            if node.op == "get_attr":
                read = getattr(graph, node.target)
                if read.numel() > 1 and read.untyped_storage().data_ptr() not in known:
                    users = ", ".join(sorted({str(user.target) for user in node.users}))
                    raise AssertionError(
                        f"a replayed step reads a tensor of shape {tuple(read.shape)} that nobody holds ({users}): "
                        "in a graph its memory would belong to others by then"
                    )
