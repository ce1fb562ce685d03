"""The metrics of tasks, seen without their data."""

from __future__ import annotations

import pytest

from ticketbench.plan.metrics import metrics_without_data
from ticketbench.testing import Blobs

TEXT = {"cross_entropy", "perplexity"}
KNOWN = {
    "mnist": {"accuracy"},
    "image_folder": {"accuracy"},
    "seq_mnist": {"accuracy"},
    "mazes": {"accuracy", "pixel_accuracy"},
    "prefix_sums": {"accuracy", "bit_accuracy"},
    "wikitext2": TEXT,
    "one_billion": TEXT,
}


@pytest.mark.parametrize("name", KNOWN)
def test_metrics_of_the_built_in_tasks(plugins, name: str):
    """None of whose data is here."""
    assert metrics_without_data(plugins.find("task", name)) == KNOWN[name]


class Counted(Blobs):
    """A task whose metrics read values, which have to be there."""

    def metrics(self, outputs, targets, inputs):
        """Right, if anything is."""
        assert float(inputs.sum()) > 0
        return {"right": (outputs.argmax(dim=1) == targets).float()}


class Secret(Blobs):
    """A task whose metrics take nothing that is made up."""

    def metrics(self, outputs, targets, inputs):
        """Nothing."""
        raise ValueError("not these")


def test_values_are_made_up_where_shapes_do_not_do():
    """And where these do not either, nothing is known."""
    assert metrics_without_data(Counted()) == {"right"}
    assert metrics_without_data(Secret()) is None
