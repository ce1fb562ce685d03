"""Train on easy problems, judge on harder ones."""

from __future__ import annotations

import pytest

from ticketbench import OptionError, Stages
from ticketbench_protocols.extrapolation import Extrapolation
from ticketbench_tasks.prefix_sums import PrefixSums

TASK = PrefixSums(length=8, examples=100, test_examples=50)


def test_the_harder_tasks_differ_in_one_option_and_are_labelled_by_it():
    """Drawn and trained at 8 bits, judged at 16 and 12, in this order, every 5 iterations from 10 to 20."""
    protocol = Extrapolation(judge_at=(16, 12), sweep_from=10, sweep_to=20, sweep_every=5)
    harder = {
        "length=16": PrefixSums(length=16, examples=100, test_examples=50),
        "length=12": PrefixSums(length=12, examples=100, test_examples=50),
    }
    stages = protocol.stages(TASK, lambda name, **options: TASK)
    assert stages == Stages(TASK, TASK, harder, {}, (10, 15, 20))
    assert list(stages.judge_on) == ["length=16", "length=12"]


def test_the_sweep_ends_at_the_last_budget_within_reach():
    """From 3 to 10 by 3: 3, 6, 9; from 7 to 7: one."""
    sweeps = [Extrapolation(sweep_from=3, sweep_to=10, sweep_every=3), Extrapolation(sweep_from=7, sweep_to=7)]
    assert [protocol.stages(TASK, None).sweep for protocol in sweeps] == [(3, 6, 9), (7,)]


def test_any_option_of_the_task_can_be_varied():
    """Other strings of the same length, say."""
    stages = Extrapolation(vary="data_seed", judge_at=(7,)).stages(TASK, None)
    assert stages.judge_on == {"data_seed=7": PrefixSums(length=8, examples=100, test_examples=50, data_seed=7)}


def test_an_option_that_the_task_lacks_is_refused():
    """The option and the task are named."""
    with pytest.raises(OptionError, match="varies 'size', which task 'prefix_sums' does not have"):
        Extrapolation(vary="size").stages(TASK, None)


def test_empty_sweeps_and_empty_judgements_are_refused():
    """There must be something to judge, at some budget."""
    with pytest.raises(ValueError, match="judge_at is empty"):
        Extrapolation(judge_at=())
    with pytest.raises(ValueError, match="sweep_to 20 lies before sweep_from 30"):
        Extrapolation(sweep_from=30, sweep_to=20)


def test_a_run_judges_every_length_at_every_budget(tiny_suite, records_of):
    """Two lengths at three budgets each; the headline is the last budget of the first length."""
    path = tiny_suite(
        ('"blobs"', '{ name = "prefix_sums", length = 8, examples = 75, test_examples = 20 }'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "dtnet1d", width = 4, iterations = 2 }'),
        ('"same"', '{ name = "extrapolation", judge_at = [12, 9], sweep_from = 2, sweep_to = 6, sweep_every = 2 }'),
        ("steps = 20", "steps = 2"),
        ("seeds = [0, 1]", "seeds = [0]"),
        ('["dense", "magnitude"]', '["dense"]'),
        ('metric = "accuracy"', 'metric = "bit_accuracy"'),
    )
    (record,) = records_of(path)
    judged = [point for point in record["curves"] if point[0] == "test" and point[4] == "iterations"]
    points = {(label, metric, x): value for _, label, metric, _, _, x, value in judged}
    labels, metrics = ("length=12", "length=9"), ("accuracy", "bit_accuracy")
    assert set(points) == {(label, metric, x) for label in labels for metric in metrics for x in (2.0, 4.0, 6.0)}
    assert len(judged) == 12
    assert record["headline"] == points["length=12", "bit_accuracy", 6.0]
