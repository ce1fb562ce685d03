"""Can a task's loss and metrics be used?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from ticketbench.errors import TicketbenchError
from ticketbench.plan.metrics import metrics_without_data
from ticketbench.plugin.contracts import Split, Task
from ticketbench.plugin.stacked_forms import has_form
from ticketbench.seeds import generator
from ticketbench.testing.demand import demand
from ticketbench.testing.faults import in_one_line

BATCH = 4


def check_outputs(task: Task, split: Split) -> list[str]:
    """The loss is a finite scalar that can be differentiated and stacked; metrics give a number an example."""
    found = outputs_for(task, split)
    if isinstance(found, str):
        return [f"its loss and its metrics are not checked: {found}"]
    outputs, inputs, targets = found
    leaf = outputs.clone().requires_grad_(True)
    loss = task.loss(leaf, targets, inputs)
    demand(
        isinstance(loss, Tensor) and loss.ndim == 0,
        f"task '{task.name}': loss() returns {kind(loss)}; it must be the mean of the batch, one number",
    )
    demand(
        bool(loss.isfinite()),
        f"task '{task.name}': loss() of ordinary outputs is not finite",
    )
    demand(
        loss.requires_grad,
        f"task '{task.name}': loss() cannot be differentiated by the outputs: it must be made of torch's functions, "
        "without detach(), item() or argmax()",
    )
    (gradient,) = torch.autograd.grad(loss, leaf)
    demand(bool(gradient.isfinite().all()), f"task '{task.name}': the gradient of loss() is not finite")
    try:
        stacked = vmap(task.loss)(*(torch.stack([part, part]) for part in (outputs, targets, inputs)))
    except Exception as error:
        raise AssertionError(
            f"task '{task.name}': loss() cannot be stacked by torch.func.vmap: {in_one_line(error)}"
        ) from error
    demand(
        torch.allclose(stacked, loss.detach().expand(2), rtol=1e-4),
        f"task '{task.name}': loss() gives another number when it is stacked by torch.func.vmap",
    )
    check_losses(task, outputs, targets, inputs)
    check_cross_entropy(task, outputs, targets, inputs)
    check_metrics(task, outputs, targets, inputs)
    return []


def check_losses(task: Task, outputs: Tensor, targets: Tensor, inputs: Tensor) -> None:
    """The losses of a fleet, where the task has a form for it, are those of its members."""
    if not has_form(task, "losses", "loss"):
        return
    pair = [torch.stack([part, part.flip(0)]) for part in (outputs, targets, inputs)]
    pair[0][1].mul_(2)
    found = task.losses(*pair)
    expected = torch.stack([task.loss(*(part[at] for part in pair)) for at in range(2)])
    demand(
        isinstance(found, Tensor) and found.shape == (2,) and torch.allclose(found, expected, rtol=1e-4),
        f"task '{task.name}': losses() of two members gives {found}, but loss() of each {expected.tolist()}",
    )


def check_cross_entropy(task: Task, outputs: Tensor, targets: Tensor, inputs: Tensor) -> None:
    """The loss is the cross entropy that the task says it is, where it says so."""
    if not task.cross_entropy or not has_form(task, "cross_entropy", "loss"):
        return
    who = f"task '{task.name}': cross_entropy is \"{task.cross_entropy}\""
    demand(task.cross_entropy in ("mean", "shares"), f'{who}; it is "mean", "shares" or ""')
    try:
        each = functional.cross_entropy(outputs, targets.long(), reduction="none")
    except Exception as error:
        raise AssertionError(f"{who}, but its outputs and targets have none: {in_one_line(error)}") from error
    if task.cross_entropy == "mean":
        said = each.mean()
    else:
        shares = task.shares(targets, inputs)
        demand(
            isinstance(shares, Tensor) and shares.shape == targets.shape,
            f"task '{task.name}': shares() gives {kind(shares)} for targets of shape {tuple(targets.shape)}; it must "
            "be one number a target",
        )
        said = (each * shares).sum()
    loss = task.loss(outputs, targets, inputs)
    demand(
        torch.allclose(said, loss, rtol=1e-4),
        f"{who}, and that of some outputs is {float(said):.6g}, but loss() of them {float(loss):.6g}",
    )


def check_metrics(task: Task, outputs: Tensor, targets: Tensor, inputs: Tensor) -> None:
    """One finite number an example for each metric."""
    found = task.metrics(outputs, targets, inputs)
    demand(
        isinstance(found, Mapping) and found,
        f"task '{task.name}': metrics() returns {kind(found)}; it must be a table with at least one metric",
    )
    for name, values in found.items():
        demand(
            isinstance(values, Tensor) and tuple(values.shape) == (len(targets),),
            f"task '{task.name}': the metric '{name}' is {kind(values)} for a batch of {len(targets)}; it must be one "
            f"number an example, a tensor of shape ({len(targets)},)",
        )
        demand(bool(values.isfinite().all()), f"task '{task.name}': the metric '{name}' is not finite")
    try:
        vmap(lambda one: task.metrics(one, targets, inputs))(torch.stack([outputs, outputs]))
    except Exception as error:
        raise AssertionError(
            f"task '{task.name}': metrics() cannot be stacked by torch.func.vmap: {in_one_line(error)}"
        ) from error
    means = {name: float(values.double().mean()) for name, values in found.items()}
    for name, value in task.summarize(means).items():
        demand(math.isfinite(value), f"task '{task.name}': summarize() makes {value} of '{name}'")


def outputs_for(task: Task, split: Split) -> tuple[Tensor, Tensor, Tensor] | str:
    """Outputs as a model might give them for some examples, with inputs and targets; or why there are none.

    (batch, outputs, …) with the positions of the targets, (batch, outputs), or the shape of the targets.
    """
    inputs, targets = task.prepare(split.inputs[:BATCH].clone()), split.targets[:BATCH].clone()
    plain = (len(inputs), task.shapes().outputs)
    sizes = [(*plain, *targets.shape[1:]), plain, tuple(targets.shape)]
    refused = []
    for size in dict.fromkeys(reversed(sizes) if targets.is_floating_point() else sizes):
        outputs = torch.randn(size, generator=generator("check outputs"))
        try:
            task.loss(outputs, targets, inputs)
            task.metrics(outputs, targets, inputs)
        except Exception as error:
            refused.append(f"outputs of shape {size}: {in_one_line(error)}")
        else:
            return outputs, inputs, targets
    return "they take none of the outputs that were tried. " + "; ".join(refused)


def metric_names(task: Task) -> set[str] | None:
    """The metrics that a task gives; of made-up numbers where it has no data here; None where those do not do."""
    try:
        found = outputs_for(task, task.training()[0])
    except TicketbenchError:
        return metrics_without_data(task)
    except Exception:  # what else it raises is told where its splits are checked
        return None
    if isinstance(found, str):
        return None
    outputs, inputs, targets = found
    metrics = task.metrics(outputs, targets, inputs)
    return set(task.summarize({name: float(values.double().mean()) for name, values in metrics.items()}))


def kind(value: object) -> str:
    """What something that a plugin returned is, in words: its type, and the shape of a tensor."""
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
