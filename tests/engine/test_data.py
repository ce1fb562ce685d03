"""Splits on the device or on the host: what is taken from them is the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ticketbench import Split, Task
from ticketbench.engine.data import Order, Stored, TaskData, augmented, gather, placed, scoring_batches
from ticketbench.engine.judge import evaluate
from ticketbench.engine.network import Network
from ticketbench.engine.state import states_of
from ticketbench.testing import Blobs, Tiny
from ticketbench_protocols.views import Half, Labels

CPU = torch.device("cpu")


class Bytes(Blobs):
    """Examples of six bytes; the model takes b/64 − 2, and every batch that is prepared is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[tuple[int, ...]] = []

    def draw(self, split: str, count: int) -> Split:
        """The blobs, rounded."""
        exact = super().draw(split, count)
        return Split(((exact.inputs + 2) * 64).clamp(0, 255).to(torch.uint8), exact.targets)

    def prepare(self, inputs: Tensor) -> Tensor:
        """As real numbers."""
        assert inputs.dtype == torch.uint8
        self.prepared.append(tuple(inputs.shape))
        return inputs.float() / 64 - 2


class HostBytes(Bytes):
    """The same, too large for the device."""

    resident = False


class Kept(Blobs):
    """Too large for the device, and as the model takes it."""

    resident = False


def ready(split: Split) -> Split:
    """The examples as the model takes them, all at once."""
    return Split(split.inputs.float() / 64 - 2, split.targets)


class Shifted(Blobs):
    """Examples that are moved by a uniform number each while a network is trained."""

    name = "shifted"
    augment_draws = 1

    def augment(self, inputs: Tensor, uniforms: Tensor) -> Tensor:
        """Moved."""
        return inputs + uniforms


TASKS = [Bytes, HostBytes]


def test_tasks_are_resident_and_store_what_models_take():
    """Unless they say otherwise; their splits are then plain tensors, and training takes them as ever."""
    split = Blobs().training()[0]
    assert Task.resident
    assert Blobs().prepare(split.inputs) is split.inputs
    assert placed(Blobs(), split, CPU).inputs is split.inputs
    assert isinstance(TaskData(Blobs(), CPU).train.inputs, Tensor)


@pytest.mark.parametrize("task", TASKS)
def test_training_batches_are_prepared_as_one(task: type[Bytes]):
    """A batch of each of three members, in the orders of their seeds."""
    made = task()
    data, expected = TaskData(made, CPU), ready(made.training()[0])
    index_fb = Order((0, 1, 2), len(data.train), 16, CPU).batch_at(7)
    inputs, targets = gather(data.train, index_fb)
    assert (len(data.train), len(data.validation)) == (96, 0)
    assert torch.equal(inputs, expected.inputs[index_fb])
    assert torch.equal(targets, expected.targets[index_fb])
    assert made.prepared == [(48, 6)]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("count", "size"), [(3, 40), (0, 40)])
def test_scoring_batches_are_prepared(task: type[Bytes], count: int, size: int):
    """Drawn ones, over the end of an epoch, and the whole split in order: as from tensors that were prepared before."""
    made = task()
    plain = ready(made.training()[0])
    found = list(scoring_batches(TaskData(made, CPU).train, 5, 1, count, size))
    expected = list(scoring_batches(plain, 5, 1, count, size))
    assert [len(batch) for batch in found] == ([40] * 3 if count else [40, 40, 16])
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(mine.inputs, theirs.inputs)
        assert torch.equal(mine.targets, theirs.targets)


@pytest.mark.parametrize("task", [Blobs, Kept])
def test_whoever_writes_to_examples_writes_to_copies(task: type[Blobs]):
    """Scoring batches, drawn or in order, and slices of what stays on the host: what is stored stays as it is."""
    train = TaskData(task(), CPU).train
    taken = [*scoring_batches(train, 5, 1, 2, 40), *scoring_batches(train, 5, 2, 0, 40)]
    if task is Kept:
        taken.append(Split(train.inputs[:96], train.targets[:96]))
    for batch in taken:
        batch.inputs.zero_()
        batch.targets.fill_(-1)
    expected = task().training()[0]
    places = torch.arange(96)
    assert train.inputs[places].equal(expected.inputs)
    assert train.targets[places].equal(expected.targets)


@pytest.mark.parametrize("task", TASKS)
def test_judging_prepares_batch_by_batch(task: type[Bytes]):
    """Of 60 examples 25, 25 and 10; the accuracy is that of the whole split at once."""
    made, model = task(), Tiny()
    torch.manual_seed(0)
    module = model.build(made.shapes())
    parameters, buffers = ({name: part.unsqueeze(0) for name, part in side.items()} for side in states_of(module))
    split = placed(made, made.test(), CPU)
    scores = evaluate(Network(model, module, made), parameters, buffers, split, 25)
    whole = ready(made.test())
    with torch.no_grad():
        right = int((module.eval()(whole.inputs).argmax(dim=1) == whole.targets).sum())
    assert 0 < right < 60
    assert scores == [{"accuracy": [pytest.approx(right / 60, abs=1e-12)]}]
    assert made.prepared == [(25, 6), (25, 6), (10, 6)]


def test_inputs_on_the_host_move_batch_by_batch():
    """The other device holds no numbers, so that nothing but shapes can be asked of it."""
    elsewhere = torch.device("meta")
    stays, moves = HostBytes(), Bytes()
    split = stays.training()[0]
    there: Any = placed(stays, split, elsewhere)
    assert isinstance(there.inputs, Stored)
    assert there.inputs.stored is split.inputs
    assert isinstance(there.targets, Stored)
    assert there.targets.stored is split.targets
    assert there.inputs.device == there.inputs[3:8].device == there.targets[3:8].device == elsewhere
    assert there.inputs.index_select(0, torch.tensor([4, 1])).device == elsewhere
    assert there.inputs[torch.tensor([4, 1, 1])].shape == (3, 6)
    assert [len(part) for part in there.targets.split(25)] == [25, 25, 25, 21]
    assert stays.prepared == [(5, 6), (2, 6), (3, 6)]
    as_stored: Any = placed(Kept(), split, elsewhere)
    assert as_stored.inputs.stored is split.inputs
    assert as_stored.inputs[:2].dtype == torch.uint8
    resident: Any = placed(moves, split, elsewhere)
    assert resident.inputs.stored.device == elsewhere


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("task", TASKS)
def test_batches_on_a_gpu(task: type[Bytes]):
    """Indices lie on the GPU and so does what comes back."""
    made, device = task(), torch.device("cuda")
    data, expected = TaskData(made, device), ready(made.training()[0])
    index_fb = Order((0, 1), len(data.train), 16, device).batch_at(2)
    inputs, targets = gather(data.train, index_fb)
    assert inputs.is_cuda
    assert torch.equal(inputs.cpu(), expected.inputs[index_fb.cpu()])
    assert torch.equal(targets.cpu(), expected.targets[index_fb.cpu()])
    for mine, theirs in zip(
        scoring_batches(data.train, 5, 1, 3, 40), scoring_batches(expected, 5, 1, 3, 40), strict=True
    ):
        assert torch.equal(mine.inputs.cpu(), theirs.inputs)
    assert data.train.inputs.stored.is_cuda == task.resident


@pytest.mark.parametrize("view", [Half(Shifted(), "first"), Labels(Shifted(), (0, 2))], ids=lambda view: view.name)
def test_a_view_of_a_task_is_augmented_as_the_task_is(view: Task):
    """Each of six examples has uniform numbers of its own, also through a part of the task's examples."""
    assert augmented(view, torch.zeros(2, 3, 1), (0, 1), (0, 0)).unique().numel() == 6
