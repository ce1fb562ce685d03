"""One task throughout."""

from __future__ import annotations

from ticketbench import Stages
from ticketbench_protocols.same import Same
from ticketbench_tasks.prefix_sums import PrefixSums


def no_other(name: str, **options: object) -> PrefixSums:
    """This protocol has no business with any other task."""
    raise AssertionError(f"asked for {name}")


def test_drawn_trained_and_judged_on_the_same_task():
    """No other task, no change of the recipe, no sweep; the judgement bears the task's name."""
    task = PrefixSums(length=8, examples=100, test_examples=50)
    assert Same().stages(task, no_other) == Stages(task, task, {"prefix_sums": task}, {}, ())


def test_a_model_that_could_be_swept_is_judged_once(tiny_suite, records_of):
    """A deep thinker under this protocol has one accuracy, at its training iterations, on the test strings."""
    path = tiny_suite(
        ('"blobs"', '{ name = "prefix_sums", length = 8, examples = 75, test_examples = 20 }'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "dtnet1d", width = 4, iterations = 2 }'),
        ("steps = 20", "steps = 2"),
        ("seeds = [0, 1]", "seeds = [0]"),
        ('["dense", "magnitude"]', '["dense"]'),
    )
    (record,) = records_of(path)
    judged = [point for point in record["curves"] if point[0] == "test"]
    assert {(label, x_name) for _, label, _, _, x_name, _, _ in judged} == {("prefix_sums", "density")}
    assert {metric: value for _, _, metric, _, _, _, value in judged}["accuracy"] == record["headline"]
