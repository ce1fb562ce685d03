"""Random numbers stand in for data that is not there, and for no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.gpu.stand_ins import TESTS, StandInResolver, random_split
from ticketbench.plugin.loading import Plugins


def test_a_task_without_files_has_random_examples_of_its_shapes(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As many as are asked for, the same each time; the task is otherwise itself."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path))
    resolver = StandInResolver(plugins, examples=50)
    task = resolver.chosen("task", resolver.choice("task", "mnist", {"validation": 0.2}))
    train, validation = task.training()
    assert (train.inputs.shape, validation.inputs.shape) == ((50, 1, 28, 28), (12, 1, 28, 28))
    assert torch.equal(train.inputs, task.training()[0].inputs)
    assert len(task.test()) == TESTS
    assert int(train.targets.max()) <= 9
    assert (task.name, task.sizes().train, task.shapes().outputs) == ("mnist", 48_000, 10)
    assert resolver.stood_in == {"mnist"}


def test_a_task_that_has_data_keeps_it(plugins: Plugins):
    """The digits come with scikit-learn."""
    resolver = StandInResolver(plugins)
    choice = resolver.choice("task", "digits", {})
    ours, plain = resolver.chosen("task", choice).training()[0], plugins.find("task", "digits").training()[0]
    assert torch.equal(ours.inputs, plain.inputs)
    assert resolver.stood_in == set()


def test_windows_of_tokens_follow_one_another(plugins: Plugins):
    """What is to be foretold is a token of the vocabulary, in the shape of the window."""
    task = plugins.find("task", "penn_treebank")
    split = random_split(task, "train", 6)
    assert split.inputs.shape == split.targets.shape == (6, *task.shapes().inputs)
    assert split.inputs.dtype == torch.int64
    assert int(split.targets.max()) < task.shapes().outputs
