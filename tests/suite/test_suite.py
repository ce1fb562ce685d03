"""Suite files: read into typed objects, or refused with one message that says where and what would work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import ROOT

from ticketbench.errors import SuiteError, UnknownNameError
from ticketbench.plan.plan import find_suite, make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import Entry, read_suite

BLOCK = "tiers.smoke.blocks (number 1)"


def test_a_suite_file_is_read_into_typed_objects(tiny_suite):
    """Names with and without options, rows, recipes and tiers."""
    suite = read_suite(tiny_suite())
    assert (suite.name, suite.version, suite.scorers_run_as) == ("tiny", 1, Entry(name="oneshot"))
    assert suite.methods["imp"].method == Entry(name="imp", options={"fraction": 0.5})
    assert suite.methods["imp"].scorer == Entry(name="magnitude")
    assert suite.methods["dense"].scorer is None
    block = suite.tier("smoke").blocks[0]
    assert block.models == (Entry(name="mlp", options={"hidden": [8]}),)
    assert block.methods == ("dense", "magnitude")
    assert block.densities == (0.5,)
    assert block.probes == ()
    assert (suite.recipes["plain"].optimizer, suite.recipes["plain"].total_steps(120)) == ("adam", 20)


def test_the_built_in_suites_can_be_planned(plugins: Plugins):
    """Every tier of every suite that ships: all its names and options exist, and it says what the tier is for."""
    suites = {name: find_suite(name, plugins) for name in plugins.items["suite"]}
    assert "drn" in suites
    for suite in suites.values():
        for name, tier in suite.tiers.items():
            assert tier.about
            assert len(make_plan(suite, name, plugins).cells) > 0


def test_the_large_tiers_are_tf32_on_a_gpu_and_others_fp32(plugins: Plugins):
    """bf16 stands in a suite only where a committed check on a GPU has shown the tier to be equivalent."""
    checks = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "docs" / "precision").glob("*.json")]
    shown = {
        (one["suite"], one["tier"])
        for one in checks
        if (one["precision"], one["device_class"], one["equivalent"]) == ("bf16", "cuda", True)
    }
    suites = {name: find_suite(name, plugins) for name in plugins.items["suite"]}
    assert len(suites) >= 5
    for suite in suites.values():
        for name, tier in suite.tiers.items():
            assert tier.precision_on("cpu") == "fp32"
            lowest = "tf32" if (suite.name, name) not in shown else "bf16"
            lower = name in ("paper", "wide") or (suite.name, name) == ("drn", "hour")
            assert tier.precision_on("cuda") in (("tf32", lowest) if lower else ("fp32",))


KEYS = (
    "Valid: against, claims, figures, headline, headlines, methods, metrics, name, questions, recipes, reference, "
    "schema, scorers_run_as, targets, tiers, title, version."
)

WRONG = {
    "unknown key": ("title =", "titel =", f"'title' is missing; unknown key 'titel'. Did you mean 'title'? {KEYS}"),
    "unknown key of the headline": (
        'at = "last"',
        'att = "last"',
        "unknown key 'headline.att'. Did you mean 'at'? Valid: at, higher_is_better, margin, metric.",
    ),
    "unknown key of a row": (
        'dense = { method = "dense" }',
        'dense = { method = "dense", scores = "snip" }',
        "unknown key 'methods.dense.scores'. Did you mean 'scorer'? Valid: expects, method, scorer.",
    ),
    "unknown key of a tier": (
        "timeout = 60",
        "timeout = 60\nseed = 3",
        "unknown key 'tiers.smoke.seed'. Did you mean 'seeds'? Valid: about, blocks, expects, precision, seeds, "
        "timeout.",
    ),
    "a seed twice": (
        "seeds = [0, 1]",
        "seeds = [0, 1, 0]",
        "'tiers.smoke.seeds': 0 stands more than once: each seed is one run. Give others",
    ),
    "something else to expect": (
        "timeout = 60",
        'timeout = 60\nexpects = ["failed"]',
        "'tiers.smoke.expects (number 1)' must be 'collapsed' or 'diverged' (it is 'failed')",
    ),
    "a precision that does not exist": (
        "timeout = 60",
        'timeout = 60\nprecision = { cuda = "fp16" }',
        "'tiers.smoke.precision.cuda' must be 'fp32', 'tf32' or 'bf16' (it is 'fp16')",
    ),
    "a precision of a CPU": (
        "timeout = 60",
        'timeout = 60\nprecision = { cpu = "bf16" }',
        "the key 'tiers.smoke.precision.cpu' must be 'cuda' (it is 'cpu')",
    ),
    "unknown key of a block": (
        'recipe = "plain"\n',
        'recipe = "plain"\nprobs = []\n',
        f"unknown key '{BLOCK}.probs'. Did you mean 'probes'? "
        "Valid: densities, initializers, methods, models, probes, protocols, recipe, tasks.",
    ),
    "an entry without a name": (
        'tasks = ["blobs"]',
        'tasks = [{ nam = "blobs" }]',
        f"'{BLOCK}.tasks (number 1).name' is missing; unknown key '{BLOCK}.tasks (number 1).nam'. "
        "Did you mean 'name'? Valid: name, options.",
    ),
    "missing key": ('scorers_run_as = "oneshot"\n', "", "'scorers_run_as' is missing"),
    "missing schema": ("schema = 1\n", "", "'schema' is missing"),
    "schema of another type": ("schema = 1\n", "schema = '1'\n", "'schema' must be 1 (it is '1')"),
    "unknown tier": (
        "[tiers.smoke]",
        "[tiers.smok]",
        "the key 'tiers.smok' must be 'smoke', 'small', 'hour', 'paper' or 'wide' (it is 'smok')",
    ),
    "headline of no task": (
        "[methods]",
        '[headlines.blob]\nmetric = "loss"\n\n[methods]',
        "[headlines.blob]: no block has this task. Did you mean 'blobs'? Valid: blobs.",
    ),
    "unknown row": (
        'methods = ["dense", "magnitude"]',
        'methods = ["dense", "magnitud"]',
        f"{BLOCK}: no row [methods.magnitud]. Did you mean 'magnitude'? "
        "Valid: dense, imp, magnitude, random, rigl, snip.",
    ),
    "unknown recipe": (
        'recipe = "plain"',
        'recipe = "plane"',
        f"{BLOCK}: no recipe [recipes.plane]. Did you mean 'plain'? Valid: plain.",
    ),
    "density of 1.2": (
        "densities = [0.5]",
        "densities = [0.5, 1.2]",
        f"'{BLOCK}.densities (number 2)' must be 1 or less (it is 1.2)",
    ),
    "density of 0": (
        "densities = [0.5]",
        "densities = [0]",
        f"'{BLOCK}.densities (number 1)' must be greater than 0 (it is 0)",
    ),
    "density as text": (
        "densities = [0.5]",
        'densities = ["half"]',
        f"'{BLOCK}.densities (number 1)' must be a number (it is 'half')",
    ),
    "one density": ("densities = [0.5]", "densities = 0.5", f"'{BLOCK}.densities' must be a list (it is 0.5)"),
    "no densities": (
        "densities = [0.5]",
        "densities = []",
        f"'{BLOCK}.densities' has too few entries (0): it needs 1 or more",
    ),
    "a number for a name": (
        'tasks = ["blobs"]',
        "tasks = [3]",
        f"'{BLOCK}.tasks (number 1)' must be a name, or a table with a name (it is 3)",
    ),
    "a text for a row": (
        'dense = { method = "dense" }',
        'dense = "dense"',
        "'methods.dense' must be a table (it is 'dense'). Its keys: expects, method, scorer.",
    ),
    "a negative seed": (
        "seeds = [0, 1]",
        "seeds = [0, -1]",
        "'tiers.smoke.seeds (number 2)' must be 0 or more (it is -1)",
    ),
    "version as text": ("version = 1", "version = '1'", "'version' must be a whole number (it is '1')"),
    "a name that leaves its folder": (
        'name = "tiny"',
        'name = "../tiny"',
        "'name' must match the pattern ^[A-Za-z0-9][A-Za-z0-9_.+-]*$ (it is '../tiny')",
    ),
    "a name of a row that no file could have": (
        'dense = { method = "dense" }',
        '"a/b" = { method = "dense" }',
        "the key 'methods.a/b' must match the pattern ^[A-Za-z0-9][A-Za-z0-9_.+-]*$ (it is 'a/b')",
    ),
    "a name of sixty-one letters": (
        'name = "tiny"',
        f'name = "{"a" * 61}"',
        f"'name' must have 60 characters or fewer (it is '{'a' * 61}')",
    ),
    "a truth as text": (
        'at = "last"',
        'at = "last"\nhigher_is_better = "yes"',
        "'headline.higher_is_better' must be true or false (it is 'yes')",
    ),
    "a point that no sweep has": (
        'at = "last"',
        'at = "first"',
        "'headline.at': 'first' is no point of a sweep: give 'validated', 'best', 'last' or a budget, a whole number",
    ),
    "a truth as a point of a sweep": (
        'at = "last"',
        "at = true",
        "'headline.at': true is no point of a sweep: give 'validated', 'best', 'last' or a budget, a whole number",
    ),
    "a table for a text": (
        'title = "A tiny suite for tests"',
        "title = { en = 'tiny' }",
        "'title' must be a text (it is a table)",
    ),
    "a list for a table of tables": ("[recipes.plain]", "[[recipes]]", "'recipes' must be a table (it is a list)"),
    "a truth as a version": ("version = 1", "version = true", "'version' must be a whole number (it is true)"),
    "no time": ("timeout = 60", "timeout = 0", "'tiers.smoke.timeout' must be greater than 0 (it is 0)"),
    "an optimizer that there is not": (
        '"adam"',
        '"adamw"',
        "'recipes.plain.optimizer' must be 'sgd' or 'adam' (it is 'adamw')",
    ),
    "an infinite learning rate": (
        "learning_rate = 1e-2",
        "learning_rate = inf",
        "'recipes.plain.learning_rate' must be a finite number (it is inf)",
    ),
    "a recipe that contradicts itself": (
        "steps = 20",
        "steps = 20\nepochs = 2",
        "'recipes.plain': give either epochs or steps",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_suite_file_is_one_message(tiny_suite, old: str, new: str, message: str):
    """It names the file, the place in it, the value, and what would work."""
    path = tiny_suite((old, new))
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert message in said
    assert "\n" not in said


def test_a_suite_needs_a_tier(tiny_suite):
    """Without one there is nothing to run, or to pick a default from."""
    path = tiny_suite()
    path.write_text(path.read_text().partition("[tiers.smoke]")[0] + "[tiers]\n")
    with pytest.raises(SuiteError, match=r": 'tiers' has too few entries \(0\): it needs 1 or more$"):
        read_suite(path)


def test_one_mistake_is_said_once(tiny_suite):
    """The lists around a wrong value are not reported as too short."""
    path = tiny_suite(("densities = [0.5]", "densities = [1.2]"))
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert str(caught.value) == (f"{path}: '{BLOCK}.densities (number 1)' must be 1 or less (it is 1.2)")


def test_every_mistake_is_said_at_once(tiny_suite):
    """Two wrong values need one look at the message, not two runs."""
    path = tiny_suite(("timeout = 60", "timeout = 0"), ("densities = [0.5]", "densities = [1.2]"))
    with pytest.raises(SuiteError, match=r"timeout.*; .*densities"):
        read_suite(path)


def test_malformed_toml_names_the_line(tiny_suite):
    """The file and the line, from the parser."""
    path = tiny_suite(('name = "tiny"', 'name = "tiny'))
    with pytest.raises(SuiteError, match=rf"^{path} is not valid TOML: .*\(at line 3, column 13\)$"):
        read_suite(path)


def test_a_file_that_is_no_text_is_no_toml(tmp_path: Path):
    """A picture, say."""
    path = tmp_path / "picture.toml"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SuiteError, match=rf"^{path} is not valid TOML: "):
        read_suite(path)


def test_a_newer_schema_is_not_guessed_at(tiny_suite):
    """What a later ticketbench means by its keys is not known here, so nothing else is complained about."""
    path = tiny_suite(("schema = 1", "schema = 2\nfuture = 'x'"))
    with pytest.raises(SuiteError) as caught:
        read_suite(path)
    assert str(caught.value) == (f"{path} is written for suite schema 2; this ticketbench reads 1. Update ticketbench.")


@pytest.mark.parametrize("place", ["gone.toml", "folder.toml"])
def test_a_file_that_cannot_be_read(tmp_path: Path, plugins: Plugins, place: str):
    """The path, and what the system says."""
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SuiteError, match=rf"^cannot read the suite file {tmp_path / place}: .*directory"):
        find_suite(str(tmp_path / place), plugins)


def test_a_suite_is_found_by_name_or_by_path(tiny_suite, plugins: Plugins):
    """An unknown name gets the nearest."""
    assert find_suite("drn", plugins).name == "drn"
    assert find_suite(str(tiny_suite()), plugins).name == "tiny"
    with pytest.raises(UnknownNameError, match=r"^unknown suite 'drm'\. Did you mean 'drn'\?"):
        find_suite("drm", plugins)


def test_a_tier_that_the_suite_does_not_have(tiny_suite):
    """The suite and its tiers are named."""
    with pytest.raises(UnknownNameError) as caught:
        read_suite(tiny_suite()).tier("smok")
    assert str(caught.value) == "unknown tier 'smok' in suite 'tiny'. Did you mean 'smoke'? Valid: smoke."
