"""Views: a part of a classification task as a task of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import DataError, OptionError, Remote, Shapes, Sizes, Split, Task, generator

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class View(Task):
    """Some examples of a task; everything else is the task's. Its targets must be one int64 label an example."""

    summary = "a part of a task"

    base: Task

    @property
    def augment_draws(self) -> int:  # type: ignore[override]  # of the class in the contract, here of the task beneath
        """As many uniform numbers an example as the task's augmentation takes."""
        return self.base.augment_draws

    @property
    def resident(self) -> bool:  # type: ignore[override]  # likewise
        """Whether the inputs move to the device whole, as the task says."""
        return self.base.resident

    @property
    def contiguous(self) -> bool:  # type: ignore[override]  # likewise
        """Whether examples are windows of one long sequence, as the task says."""
        return self.base.contiguous

    def shapes(self) -> Shapes:
        """The shapes of the task: a part of it has the same inputs and outputs."""
        return self.base.shapes()

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The loss of the task."""
        return self.base.loss(outputs, targets, inputs)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The metrics of the task."""
        return self.base.metrics(outputs, targets, inputs)

    def summarize(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """What the task makes of the means of its metrics."""
        return self.base.summarize(means)

    def files(self) -> Sequence[Remote]:
        """The files that the task reads."""
        return self.base.files()

    def prepare(self, inputs: Tensor) -> Tensor:
        """Stored inputs as the task prepares them for the model."""
        return self.base.prepare(inputs)

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        """A batch as the task augments it."""
        return self.base.augment(inputs, uniforms)


@dataclass(frozen=True)
class Half(View):
    """One of two halves of the training and of the validation split, with all labels; the test split is whole.

    The examples of a split are put in an order drawn once and for all (from the task's name and the split's, never
    from a cell's seed), sorted by label within that order, and dealt out in turn: the halves are disjoint and
    complete, and differ by one example at most, in all and in each label. Each half keeps the split's own order.
    """

    part: Literal["first", "second"]

    @property
    def name(self) -> str:  # type: ignore[override]  # of the class in the contract, here of the task beneath
        """The task's, and which half."""
        return f"{self.base.name} {self.part} half"

    def sizes(self) -> Sizes:
        """Half of each, the first the larger one; the test split is whole."""
        whole = self.base.sizes()
        extra = int(self.part == "first")
        return Sizes((whole.train + extra) // 2, (whole.validation + extra) // 2, whole.test)

    def training(self) -> tuple[Split, Split]:
        """Half of the training split, and half of the validation split."""
        train, validation = self.base.training()
        return self.half(train, "train"), self.half(validation, "validation")

    def test(self) -> Split:
        """The test split of the task, whole."""
        return self.base.test()

    def half(self, whole: Split, split: str) -> Split:
        """Every second example in the order of labels."""
        import torch

        labels = labels_of(whole, self.base)
        order = torch.randperm(len(whole), generator=generator("halves", self.base.name, split))
        by_label = order[labels[order].argsort(stable=True)]
        index = by_label[int(self.part == "second") :: 2].sort().values
        return Split(whole.inputs[index], whole.targets[index])


@dataclass(frozen=True)
class Labels(View):
    """The examples of some labels, in every split.

    Without `relabel` labels and outputs are the task's, so that the outputs of all other labels are never right.
    With it the i-th label of `keep` becomes i, and there are as many outputs as labels that were kept.
    """

    keep: tuple[int, ...]
    relabel: bool = False

    def __post_init__(self) -> None:
        outputs = self.base.shapes().outputs
        if not self.keep or len(set(self.keep)) < len(self.keep):
            raise OptionError(f"the labels {list(self.keep)} of task '{self.base.name}': name at least one, each once")
        for label in self.keep:
            if not 0 <= label < outputs:
                raise OptionError(f"task '{self.base.name}' has no label {label}: its labels are 0 to {outputs - 1}")

    @property
    def name(self) -> str:  # type: ignore[override]  # of the class in the contract, here of the task beneath
        """The task's, and the labels."""
        return f"{self.base.name} labels {','.join(map(str, self.keep))}"

    def shapes(self) -> Shapes:
        """The task's, or with an output for each label that was kept."""
        shapes = self.base.shapes()
        return Shapes(shapes.inputs, len(self.keep)) if self.relabel else shapes

    def sizes(self) -> Sizes:
        """An estimate: the kept share of the labels, exact where all labels have as many examples (MNIST's 0 to 4:
        30,000 for 30,596).

        A count would load every split, the test split too, for a plan that works without the data; only plans
        ask for sizes, and no result depends on them.
        """
        whole, labels = self.base.sizes(), self.base.shapes().outputs
        counts = (whole.train, whole.validation, whole.test)
        return Sizes(*(round(count * len(self.keep) / labels) for count in counts))

    def training(self) -> tuple[Split, Split]:
        """What is left of each split."""
        train, validation = self.base.training()
        return self.kept(train, "training"), self.of(validation)

    def test(self) -> Split:
        """What is left of the test split."""
        return self.kept(self.base.test(), "test")

    def kept(self, whole: Split, split: str) -> Split:
        """The examples of these labels, of which there must be some."""
        part = self.of(whole)
        if not len(part):
            raise DataError(f"task '{self.base.name}' has no {split} example of the labels {list(self.keep)}")
        return part

    def of(self, whole: Split) -> Split:
        """The examples of these labels in their order."""
        import torch

        labels, keep = labels_of(whole, self.base), torch.tensor(self.keep)
        index = torch.isin(labels, keep).nonzero().squeeze(1)
        targets = labels[index]
        if self.relabel:
            targets = (targets.unsqueeze(1) == keep).int().argmax(dim=1)
        return Split(whole.inputs[index], targets)


def labels_of(split: Split, task: Task) -> Tensor:
    """The targets, if they are one label an example."""
    import torch

    targets = split.targets
    if targets.dtype != torch.int64 or targets.ndim != 1:
        raise OptionError(
            f"task '{task.name}' has targets of {targets.dtype} and shape {tuple(targets.shape)}; only a task with one "
            "int64 label an example can be parted by labels"
        )
    return targets
