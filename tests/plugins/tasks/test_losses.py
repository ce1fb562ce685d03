"""Losses of a fleet in one call are those of its members."""

from __future__ import annotations

import pytest
import torch

from ticketbench.testing import check_task
from ticketbench_tasks.digits import Digits
from ticketbench_tasks.seq_digits import SeqDigits


def test_the_losses_of_members_are_cross_entropies_of_their_own():
    """−log of the share of the right class: ½ and ¼ of two classes, by hand."""
    outputs = torch.log(torch.tensor([[[0.5, 0.5], [0.75, 0.25]], [[0.25, 0.75], [0.25, 0.75]]]))
    targets = torch.tensor([[0, 1], [0, 1]])
    found = Digits().losses(outputs, targets, torch.zeros(2, 2, 1))
    expected = [-(torch.tensor([0.5, 0.25]).log().mean()), -(torch.tensor([0.25, 0.75]).log().mean())]
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("task", [Digits(), SeqDigits()])
def test_the_check_holds_one_form_to_the_other(task):
    """As for any stranger's task."""
    assert check_task(task)


def test_the_check_finds_losses_that_are_others():
    """A sum where a mean belongs."""

    class Sums(Digits):
        def loss(self, outputs, targets, inputs):
            return super().loss(outputs, targets, inputs)

        def losses(self, outputs, targets, inputs):
            return super().losses(outputs, targets, inputs) * targets.shape[1]

    with pytest.raises(AssertionError, match=r"losses\(\) of two members gives"):
        check_task(Sums())
