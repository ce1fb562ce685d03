"""Does a task keep its contract?"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ticketbench.errors import DataError
from ticketbench.plugin.contracts import Split, Task
from ticketbench.seeds import generator
from ticketbench.testing.demand import demand
from ticketbench.testing.global_randomness import random_numbers_from
from ticketbench.testing.outputs import BATCH, check_outputs
from ticketbench.testing.passed import Passed, UncheckedError
from ticketbench.testing.watched import same

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKED_AT = 50_000
"""Examples of a split that are compared with other splits; of larger ones as many, evenly spread."""
BY_CHANCE = 0.01
"""The share of test examples that may be in another split: small discrete inputs coincide."""
PADDING = -100
"""A target that torch's losses leave out."""


def check_task(task: Task) -> Passed:
    """The same splits every time, of the sizes and shapes that it says; a loss and metrics that can be used.

    No test example may be in the training or the validation split: more than 1 % of them is a fault, less a note.
    A task whose files are not there raises `UncheckedError`.
    """
    try:
        splits, again = (read(task, randomness) for randomness in (1, 2))
    except DataError as error:
        raise UncheckedError(f"task '{task.name}' has no data here: {error}") from error
    for (word, split), other in zip(splits.items(), again.values(), strict=True):
        check_equal(task, word, split, other)
    check_sizes(task, splits)
    for word, split in splits.items():
        check_task_shapes(task, word, split)
    notes = check_strangers(task, splits)
    check_prepare(task, splits["training"])
    check_augment(task, splits["training"])
    notes += check_outputs(task, splits["training"])
    return Passed(
        "the same splits every time, of the sizes and shapes it says, no test data in training, a loss and metrics "
        "that can be used",
        tuple(notes),
    )


def read(task: Task, randomness: int) -> dict[str, Split]:
    """All splits of the task made anew; the choosing split, where it is not the validation split."""
    anew = dataclasses.replace(task) if dataclasses.is_dataclass(task) else copy.copy(task)
    with random_numbers_from(randomness):
        pair, test = anew.training(), anew.test()
        others = {"test": test}
        others |= {} if type(task).choosing is Task.choosing else {"choosing": anew.choosing()}
    demand(
        isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(part, Split) for part in (*pair, *others.values())),
        f"task '{task.name}': training() has to return two `Split`s, for training and validation, and test() one, as "
        "choosing() does",
    )
    return {"training": pair[0], "validation": pair[1], **others}


def check_equal(task: Task, word: str, one: Split, other: Split) -> None:
    """Refuse a split that is another when the task is made anew."""
    for part in ("inputs", "targets"):
        demand(
            same(getattr(one, part), getattr(other, part)),
            f"task '{task.name}': the {part} of its {word} split are others when the task is made anew. Draw random "
            'numbers from ticketbench.generator("what for") alone.',
        )


def check_sizes(task: Task, splits: Mapping[str, Split]) -> None:
    """As many examples as `sizes()` says, a target for each."""
    sizes = task.sizes()
    told = (sizes.train, sizes.validation, sizes.test, sizes.to_choose_on)[: len(splits)]
    held = tuple(len(split) for split in splits.values())
    demand(
        told == held,
        f"task '{task.name}': sizes() says {told} examples to train, validate and test"
        f"{', and to choose on' if 'choosing' in splits else ''}; the splits hold {held}",
    )
    for word, split in splits.items():
        demand(
            len(split.targets) == len(split),
            f"task '{task.name}': its {word} split has {len(split)} inputs and {len(split.targets)} targets",
        )
    demand(held[0], f"task '{task.name}' has an empty training split")
    demand(held[2], f"task '{task.name}' has an empty test split")


def check_task_shapes(task: Task, word: str, split: Split) -> None:
    """Prepared inputs have the shape that models are built for; class targets are below the number of outputs."""
    if not len(split):
        return
    shapes, prepared = task.shapes(), task.prepare(split.inputs[:BATCH])
    demand(
        tuple(prepared.shape[1:]) == tuple(shapes.inputs),
        f"task '{task.name}': an input of its {word} split has shape {tuple(prepared.shape[1:])}, but shapes() says "
        f"{tuple(shapes.inputs)}",
    )
    some = prepared if task.prepare.__func__ is not Task.prepare else evenly(split.inputs)  # type: ignore[attr-defined]
    demand(
        not some.is_floating_point() or bool(some.isfinite().all()),
        f"task '{task.name}': inputs of its {word} split are not finite",
    )
    targets = evenly(split.targets)
    if not targets.is_floating_point() and targets.dtype != torch.bool:
        known = targets[targets != PADDING]
        low, high = (int(known.min()), int(known.max())) if known.numel() else (0, 0)
        demand(
            low >= 0 and high < shapes.outputs,
            f"task '{task.name}': targets of its {word} split go from {low} to {high}, but shapes() says "
            f"{shapes.outputs} outputs, which are classes 0 to {shapes.outputs - 1}",
        )


def evenly(tensor: Tensor) -> Tensor:
    """All examples, or as many as are looked at, evenly spread."""
    return tensor[:: max(1, math.ceil(len(tensor) / LOOKED_AT))]


def check_strangers(task: Task, splits: Mapping[str, Split]) -> list[str]:
    """Notes about inputs that are in two splits; too many of the test's are a fault."""
    notes = []
    seen = {word: set(prints(split.inputs)) for word, split in splits.items() if word != "test"}
    tested = list(prints(splits["test"].inputs))
    for word, known in seen.items():
        leaked = sum(one in known for one in tested)
        where = f"{leaked} of {len(tested)} test examples looked at are in the {word} split, too, input for input"
        demand(leaked <= BY_CHANCE * len(tested), f"task '{task.name}': {where}")
        notes += [f"{where}: by chance?"] if leaked else []
    for word in [word for word in seen if word != "training"]:
        held = list(prints(splits[word].inputs))
        doubled = sum(one in seen["training"] for one in held)
        notes += [f"{doubled} of {len(held)} {word} examples are in the training split, too"] if doubled else []
    return notes


def prints(inputs: Tensor) -> Iterator[bytes]:
    """A fingerprint of each example (of some, evenly spread, where there are many), to find it in another split."""
    for example in evenly(inputs):
        content = example.contiguous().reshape(-1).view(torch.uint8) if example.numel() else example
        yield hashlib.blake2b(content.numpy().tobytes(), digest_size=16).digest()


def check_prepare(task: Task, split: Split) -> None:
    """`prepare` depends on its batch alone, an example a row, and leaves it as it is."""
    batch = split.inputs[:BATCH].clone()
    whole = twice(task, "prepare", batch, lambda: task.prepare(batch))
    rows = torch.cat([task.prepare(batch[at : at + 1].clone()) for at in range(len(batch))])
    demand(
        whole.shape == rows.shape and torch.allclose(whole.double(), rows.double(), equal_nan=True),
        f"task '{task.name}': prepare() makes something else of an example when others are in its batch",
    )


def check_augment(task: Task, split: Split) -> None:
    """`augment` depends on the batch and the uniform numbers alone, and keeps its shape."""
    if not task.augment_draws:
        return
    batch = task.prepare(split.inputs[:BATCH].clone())
    uniforms = torch.rand(len(batch), task.augment_draws, generator=generator("check task"))
    augmented = twice(task, "augment", batch, lambda: task.augment(batch, uniforms))
    demand(
        augmented.shape == batch.shape,
        f"task '{task.name}': augment() changes the shape from {tuple(batch.shape)} to {tuple(augmented.shape)}",
    )


def twice(task: Task, word: str, batch: Tensor, make: Callable[[], Tensor]) -> Tensor:
    """What a function of a batch gives, which has to be the same again and to leave the batch alone."""
    before = batch.clone()
    with random_numbers_from(1):
        first = make().clone()
    demand(
        same(batch, before), f"task '{task.name}': {word}() writes into the batch it is given; return another tensor"
    )
    with random_numbers_from(2):
        second = make()
    demand(
        same(first, second),
        f"task '{task.name}': {word}() gives something else for the same arguments; it must depend on nothing but "
        "them" + (" (the uniform numbers are there to be random)" if word == "augment" else ""),
    )
    return first
