"""The default tier: by device, and on a GPU by what an hour computes; and what more there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ticketbench.cli.crew import Crew
from ticketbench.cli.default_tier import WITHIN, first_guess, other_tiers, pick_tier
from ticketbench.plan.card import CARDS
from ticketbench.plan.estimate import model_key
from ticketbench.plan.measured import Measured
from ticketbench.plan.plan import find_suite, make_plan
from ticketbench.plan.speed import card_speed, cpu_speed
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import Suite, read_suite

TIER = """
[tiers.%s]
about = "%s"
seeds = [0]
timeout = 60

[[tiers.%s.blocks]]
tasks = ["blobs"]
models = [{ name = "mlp", hidden = [%d] }]
protocols = ["same"]
initializers = ["default"]
methods = ["dense"]
densities = [1.0]
recipe = "%s"
"""
RECIPE = """[recipes.long]
optimizer = "adam"
learning_rate = 1e-2
batch = 20
steps = %d

[tiers.smoke]"""


@pytest.fixture
def on_cpu() -> Crew:
    """One worker without a GPU."""
    return Crew(("cpu",), replace(cpu_speed(), rates={"fp32": 1e9}), 1e9)


@pytest.fixture
def on_card() -> Crew:
    """One worker on a card."""
    return Crew(("cuda:0",), card_speed(CARDS["h100"], "one h100"), 56e9)


@pytest.fixture
def suite_of(tiny_suite) -> Callable[..., Suite]:
    """A suite with a small tier of seconds, and a paper and a wide tier of so many steps."""

    def suite(paper: int = 0, wide: int = 0) -> Suite:
        path: Path = tiny_suite(("[tiers.smoke]", RECIPE % (paper or 10)))
        text = path.read_text(encoding="utf-8") + TIER % ("small", "small", "small", 8, "plain")
        if paper:
            text += TIER % ("paper", "paper", "paper", 8, "long")
        if wide:
            longer = RECIPE.replace("long", "longer").partition("[tiers")[0] % wide
            text = text.replace("[recipes.long]", longer + "\n[recipes.long]")
            text += TIER % ("wide", "wide", "wide", 8, "longer")
        path.write_text(text, encoding="utf-8")
        return read_suite(path)

    return suite


def test_without_a_gpu(plugins: Plugins, suite_of, on_cpu: Crew, tiny_suite):
    """small where there is one, else the first; and what is asked for is taken."""
    assert pick_tier(suite_of(paper=1000), None, on_cpu, plugins) == ("small", "the default without a GPU")
    assert pick_tier(suite_of(), "smoke", on_cpu, plugins) == ("smoke", "asked for")
    assert pick_tier(read_suite(tiny_suite()), None, on_cpu, plugins) == ("smoke", "the first this suite has")


def test_with_a_gpu_the_largest_tier_of_an_hour(plugins: Plugins, suite_of, on_card: Crew):
    """A step is about 0.1 ms: a million take two minutes and a hundred million three hours."""
    why = "the largest that takes about an hour or less on this GPU"
    assert pick_tier(suite_of(paper=1_000_000), None, on_card, plugins) == ("paper", why)
    assert pick_tier(suite_of(paper=1_000_000, wide=100_000_000), None, on_card, plugins) == ("paper", why)
    assert pick_tier(suite_of(paper=1_000_000, wide=2_000_000), None, on_card, plugins) == ("wide", why)
    assert pick_tier(suite_of(paper=100_000_000), None, on_card, plugins) == ("small", why)


def test_where_no_tier_takes_an_hour_or_less(plugins: Plugins, suite_of, on_card: Crew):
    """A card that takes an hour to start gets the small one, and is told."""
    slow = replace(on_card, speed=replace(on_card.speed, start=WITHIN + 1))
    assert pick_tier(suite_of(), None, slow, plugins) == ("small", "none takes less than an hour on this GPU")


def test_the_default_does_not_move_with_what_was_measured(plugins: Plugins, suite_of, on_card: Crew, tmp_path: Path):
    """The same command goes on with the same tier, however long the last run took."""
    suite = suite_of(paper=10_000_000)
    setting = make_plan(suite, "paper", plugins, device_class="cuda").cells[0].setting
    known = replace(on_card, measured=Measured("here", tmp_path / "rates.json", {model_key(setting): (20.0, 5)}))
    assert pick_tier(suite, None, known, plugins) == pick_tier(suite, None, on_card, plugins)
    assert first_guess(suite, "paper", known, plugins) == first_guess(suite, "paper", on_card, plugins)


def test_what_more_there_is(plugins: Plugins, suite_of, on_card: Crew):
    """A line for each other tier: cells, time, and how to ask."""
    suite = suite_of(paper=1_000_000, wide=1_000_000_000)
    plan = make_plan(suite, "paper", plugins, device_class="cuda")
    lines = list(other_tiers(plan, on_card, on_card.resolver(plugins)))
    assert [line.partition(",")[0] for line in lines] == [
        "tier smoke: 4 cells",
        "tier small: 1 cells",
        "tier wide: 1 cells",
    ]
    assert lines[-1].endswith("; ask with --tier wide")
    assert " h" in lines[-1] or " days" in lines[-1]


def test_every_built_in_suite_has_a_tier_for_an_hour_of_a_large_card(plugins: Plugins, on_card: Crew):
    """On an H200: the paper's tier where it fits, else the one that was made for an hour."""
    card = replace(on_card, speed=card_speed(CARDS["h200"], "one h200"), memory=0.7 * 141e9)
    names = ("drn", "init", "lth", "gradflow")
    found = {name: pick_tier(find_suite(name, plugins), None, card, plugins)[0] for name in names}
    assert found == {"drn": "hour", "init": "paper", "lth": "paper", "gradflow": "paper"}
