"""Which engine a cell's key names: the sparse one where everything that it takes is there."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from machines import needs_machine
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, Shapes, Task
from ticketbench.engine.network import Network
from ticketbench.plan import engines
from ticketbench.plan.cell import SPARSE_RULE, Cell
from ticketbench.plan.engines import is_on_tape
from ticketbench.plan.plan import make_plan
from ticketbench.sparse.rule import PAYS
from ticketbench.suite.suite import read_suite
from ticketbench.testing import Blobs, Tiny
from ticketbench_models.dtnet import DTNet1D
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.mlp import MLP
from ticketbench_tasks.mazes import Mazes
from ticketbench_tasks.prefix_sums import PrefixSums

DIGITS = ('["blobs"]', '["digits"]')


@pytest.fixture
def planned(tiny_suite, plugins):
    """The cells of a tiny suite on digits, by the row's name."""

    def plan(*changes: tuple[str, str], **options: str) -> dict[str, Cell]:
        suite = read_suite(tiny_suite(DIGITS, *changes))
        return {cell.setting.row: cell for cell in make_plan(suite, "smoke", plugins, **options).cells}

    return plan


@needs_machine
def test_a_key_says_the_engine_and_its_rule(planned):
    """Tickets are sparse, and whole networks are not."""
    cells = planned()
    assert {row: cell.setting.engine for row, cell in cells.items()} == {"dense": "full", "magnitude": "sparse"}
    assert f"engine: sparse {SPARSE_RULE}\n" in cells["magnitude"].text()
    assert "sparse" not in cells["dense"].text()
    assert all(f"{pays:g} of {kind}" in SPARSE_RULE for kind, pays in PAYS.items())
    again = Cell.from_plain(cells["magnitude"].to_plain())
    assert (again, again.text()) == (cells["magnitude"], cells["magnitude"].text())


@needs_machine
@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ((), {"device_class": "cuda"}),
        ((), {"precision": "bf16"}),
        ((), {"precision": "tf32"}),
        ((), {"engine": "full"}),
        ((('[{ name = "mlp", hidden = [8] }]', '["resnet50"]'),), {}),
        ((('["digits"]', '["blobs"]'),), {}),
    ],
    ids=lambda value: str(value),
)
def test_everything_else_is_dense(planned, changes, options: dict[str, str]):
    """On other devices, in other precisions, where it is asked for, without tapes or a word about the loss."""
    cells = planned(*changes, **options)
    assert {cell.setting.engine for cell in cells.values()} == {"full"}
    assert "sparse" not in cells["magnitude"].text()
    sparse = planned()["magnitude"]
    assert cells["magnitude"].key != sparse.key


def test_without_the_library_all_is_dense(planned, monkeypatch):
    """And it is the same cell as where it was asked for."""
    asked = planned(engine="full")
    monkeypatch.setattr(engines, "missing", lambda: "it has not been compiled")
    assert {row: cell.key for row, cell in planned().items()} == {row: cell.key for row, cell in asked.items()}


class Doubled(PrefixSums):
    """A loss of its own."""

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        return 2 * functional.cross_entropy(outputs, targets)


class Said(Doubled):
    """And a word about it."""

    cross_entropy = "mean"


class Sharp(DTNet1D):
    """A training objective of its own."""

    def loss(self, outputs, targets, inputs, criterion):
        return 2 * super().loss(outputs, targets, inputs, criterion)


class Squared(MLP):
    """The same without a tape of its own."""

    def loss(self, outputs, targets, inputs, criterion):
        return criterion(outputs**2, targets, inputs)


class Frozen(MLP):
    """A layer is never trained."""

    def build(self, shapes: Shapes) -> nn.Module:
        module = super().build(shapes)
        next(module.parameters()).requires_grad_(False)
        return module


@dataclass(frozen=True)
class Strange(Model):
    """Training reads a weight that nothing else does."""

    name, summary = "strange", "for a test"

    def build(self, shapes: Shapes) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 3), nn.Linear(6, 3))

    def training_call(self, draws):
        return {"second": True}

    def tape(self, module, inputs, call):
        from ticketbench.sparse.tape import Tape

        tape = Tape.of(module)
        tape.answer(tape.linear("1.weight" if call else "0.weight", tape.inputs(inputs)))
        return tape


CASES: list[tuple[Model, Task, bool]] = [
    (MLP(hidden=(8,)), Blobs(), True),
    (Tiny(), Blobs(), False),
    (Squared(hidden=(8,)), Blobs(), False),
    (Frozen(hidden=(8,)), Blobs(), False),
    (Strange(), Blobs(), False),
    (DTNet1D(width=4), PrefixSums(), True),
    (DTNet1D(width=4, norm=True), PrefixSums(), False),
    (Sharp(width=4), PrefixSums(), False),
    (DTNet1D(width=4), Doubled(), False),
    (DTNet1D(width=4), Said(), True),
]


@needs_machine
@pytest.mark.parametrize(
    ("model", "task", "tapes"), CASES, ids=lambda value: value if isinstance(value, bool) else type(value).__name__
)
def test_plan_and_engine_agree(model: Model, task: Task, tapes: bool):
    """Who overrides a loss alone is computed densely; the engine has a form just where the plan says so."""
    assert is_on_tape(model, task) == tapes
    with torch.device("cpu"):
        network = Network(model, model.build(task.shapes()), task, engine="sparse")
    assert (network.sparse is not None) == tapes


def test_a_sampled_softmax_is_no_tape():
    """Its training has another loss."""
    from walk import Walk

    class Told(Walk):
        cross_entropy = "mean"

    assert is_on_tape(LanguageModel(hidden=4, embedding=3), Told())
    assert not is_on_tape(LanguageModel(hidden=4, embedding=3, softmax="sampled", samples=5), Told())
    assert Mazes.cross_entropy == "shares"
