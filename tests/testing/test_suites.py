"""A suite's blocks can be planned, and its figures and claims name what there is: each mistake has its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ticketbench.testing import check_suite

PAPER = """
[[figures]]
name = "one"
title = "One"
metric = "accuracy"
rows = ["magnitude"]

[[claims]]
text = "Large weights matter."
source = "nowhere"
row = "magnitude"
than = "dense"
density = 0.5
expect = "lower"
task = "blobs"

[[tiers.smoke.blocks]]
tasks = ["blobs"]
models = [{ name = "mlp", hidden = [8] }]
protocols = ["same"]
initializers = ["default"]
methods = ["snip"]
densities = [0.5]
recipe = "plain"
probes = ["layer_density"]
"""


@pytest.fixture
def suite(tiny_suite) -> Callable[..., Path]:
    """The tiny suite with a figure, a claim and a second block, each of which may be changed."""

    def write(*changes: tuple[str, str]) -> Path:
        path = tiny_suite()
        text = path.read_text(encoding="utf-8") + PAPER
        for old, new in changes:
            assert old in text, f"{old!r} is not in the suite"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["drn", "gradflow", "init", "lth", "rnn"])
def test_registered_suites_name_what_there_is(plugins, name):
    """Every block of every tier, with nothing left to look up."""
    assert check_suite(plugins.find("suite", name), plugins).notes == ()


def test_a_suite_of_its_own_passes(suite, plugins):
    """Two seeds of dense once, of magnitude and of snip at one density."""
    assert check_suite(suite(), plugins).said == "every block of smoke can be planned (6 cells)"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ('{ method = "oneshot", scorer = "snip" }', '{ method = "oneshto", scorer = "snip" }'),
            r"tiers\.smoke\.blocks \(number 2\): unknown method 'oneshto'\. Did you mean 'oneshot'\?",
        ),
        (
            ('scorer = "magnitude"', 'scorer = "magnitud"'),
            r"tiers\.smoke\.blocks \(number 1\): unknown scorer 'magnitud'",
        ),
        (
            ('"mlp", hidden = [8]', '"mlp", hiden = [8]'),
            r"blocks \(number 1\): 'mlp' has no option 'hiden'.*; "
            r"tiers\.smoke\.blocks \(number 2\): 'mlp' has no option",
        ),
        (('"mlp", hidden', '"perceptron", hidden'), r"unknown model 'perceptron'"),
        (('tasks = ["blobs"]', 'tasks = ["blob"]'), r"unknown task 'blob'\. Did you mean 'blobs'\?"),
        (('protocols = ["same"]', 'protocols = ["other_dataset"]'), r"protocol 'other_dataset' cannot move a ticket"),
        (('initializers = ["default"]', 'initializers = ["zero"]'), r"unknown initializer 'zero'"),
        (('probes = ["layer_density"]', 'probes = ["layers"]'), r"blocks \(number 2\): unknown probe 'layers'"),
        (('methods = ["snip"]', 'methods = ["snup"]'), r"no row \[methods\.snup\]"),
        (('rows = ["magnitude"]', 'rows = ["magnitud"]'), r"figures \(number 1\): no row 'magnitud'"),
        (('row = "magnitude"', 'row = "imp"'), r"claims \(number 1\): no block of any tier has the row 'imp'"),
        (('than = "dense"', 'than = "rigl"'), r"claims \(number 1\), `than`: no block of any tier has the row 'rigl'"),
        (
            ('metric = "accuracy"\nrows', 'metric = "perplexity"\nrows'),
            r"figures \(number 1\): no task of the suite has the metric 'perplexity'\. .*accuracy",
        ),
        (
            ('metric = "accuracy"\nat', 'metric = "precision"\nat'),
            r"task 'blobs' does not compute the metric 'precision' of",
        ),
        (('task = "blobs"\n', 'task = "mnist"\n'), r"claims \(number 1\): no block of any tier has the task 'mnist'"),
        (
            ('expect = "lower"', 'expect = "lower"\nmeasure = "probe"\nprobe = "hessian/trained/trace"'),
            r"claims \(number 1\): no block of any tier has the probe 'hessian'",
        ),
        (('name = "tiny"', 'name = "teeny"'), r"tiny\.toml calls itself 'teeny'"),
        (('recipe = "plain"\nprobes', 'recipe = "fancy"\nprobes'), r"no recipe \[recipes\.fancy\]"),
    ],
)
def test_every_mistake_is_named_with_its_place(suite, plugins, change, says):
    """Tier and block, or figure and claim."""
    with pytest.raises(AssertionError, match=says):
        check_suite(suite(change), plugins)


def test_a_file_that_is_no_suite_is_an_error(tmp_path, plugins):
    """With what is wrong about it."""
    path = tmp_path / "torn.toml"
    path.write_text("schema = ")
    with pytest.raises(AssertionError, match=r"torn\.toml is not valid TOML"):
        check_suite(path, plugins)
