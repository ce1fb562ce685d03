"""Choosing a budget: the headline as a cell's key has it, and the examples that there must be for it."""

from __future__ import annotations

from ticketbench.errors import SuiteError
from ticketbench.plugin.contracts import Model, Stages, Task
from ticketbench.suite.suite import Headline


def swept_headline(headline: Headline, model: Model, stages: Stages, where: str) -> str:
    """How a headline is read off the sweep of a model; empty where nothing is swept.

    A `SuiteError` names a judged task without examples, if the budget is to be chosen on them.
    """
    if not (model.sweeps and stages.sweep):
        return ""
    for task in stages.judge_on.values() if headline.chooses else ():
        if not task.sizes().to_choose_on:
            raise SuiteError(f"{where}: {nothing_to_choose_on(task)}")
    return headline.text()


def nothing_to_choose_on(task: Task) -> str:
    """What is wrong with a task without a choosing split, and what would work."""
    return (
        f"the headline is read where validation is best, but task '{task.name}' has no examples to choose on. "
        "Give it a validation split, or the headline another `at`: 'last' or a budget"
    )
