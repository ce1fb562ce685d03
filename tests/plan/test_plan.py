"""Plans: which cells a selection keeps, and the fleets that they form."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import STRANGER
from tiny_suite import TINY

from ticketbench.errors import OptionError, SuiteError, TicketbenchError, UnknownNameError
from ticketbench.plan.cell import Cell, Choice, Setting, make_cell
from ticketbench.plan.cost import cost_of
from ticketbench.plan.estimate import room_in
from ticketbench.plan.plan import CPU_FLEET, CUDA_FLEET, Fleet, Plan, Selection, count_by, find_suite, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import Plugins, load_plugins
from ticketbench.suite.recipe import Recipe
from ticketbench.suite.suite import read_suite

TWO_BLOCKS = (
    'recipe = "plain"\n',
    """recipe = "plain"

[[tiers.smoke.blocks]]
tasks = ["blobs", { name = "blobs", spread = 1.0 }]
models = ["mlp"]
protocols = ["same"]
initializers = ["default", "he"]
methods = ["random", "dense"]
densities = [0.2, 0.1]
recipe = "plain"
""",
)


def rows(cells: tuple[Cell, ...]) -> list[str]:
    """The rows of some cells, each once, in order."""
    return list(dict.fromkeys(cell.setting.row for cell in cells))


# -- cells -------------------------------------------------------------------------------------------------


def test_a_block_is_a_full_cross_product_in_the_order_of_the_file(tiny_suite, cells_of):
    """Rows, then densities, then seeds; a method of a fixed density has that one alone."""
    path = tiny_suite(("densities = [0.5]", "densities = [0.5, 0.25]"))
    _, cells = cells_of(path)
    assert [(cell.setting.row, cell.density, cell.seed) for cell in cells] == [
        ("dense", 1.0, 0),
        ("dense", 1.0, 1),
        ("magnitude", 0.5, 0),
        ("magnitude", 0.5, 1),
        ("magnitude", 0.25, 0),
        ("magnitude", 0.25, 1),
    ]


def test_blocks_add_up(tiny_suite, cells_of):
    """Two tasks × two initializers × (random at two densities + dense) × two seeds, after the first block's 4."""
    _, cells = cells_of(tiny_suite(TWO_BLOCKS))
    assert len(cells) == 4 + 2 * 2 * (2 + 1) * 2
    assert Counter(cell.setting.row for cell in cells) == {"dense": 2 + 8, "magnitude": 2, "random": 16}


def test_no_cell_stands_twice(tiny_suite, cells_of):
    """A density, a row or a whole block that is written twice is one."""
    block = tiny_suite().read_text().partition("[[tiers.smoke.blocks]]")[2]
    path = tiny_suite(
        ('recipe = "plain"\n', f'recipe = "plain"\n[[tiers.smoke.blocks]]{block}'),
        ("densities = [0.5]", "densities = [0.5, 0.5]"),
        ('methods = ["dense", "magnitude"]', 'methods = ["dense", "magnitude", "dense"]'),
    )
    _, cells = cells_of(path)
    assert len(read_suite(path).tier("smoke").blocks) == 2
    assert [(cell.setting.row, cell.seed) for cell in cells] == [
        ("dense", 0),
        ("dense", 1),
        ("magnitude", 0),
        ("magnitude", 1),
    ]
    assert len({cell.key for cell in cells}) == 4


def test_a_cell_records_what_decided_it(tiny_suite, cells_of):
    """Every option with its default, a source for every choice, and the scorer that the method ranks by."""
    path = tiny_suite(('methods = ["dense", "magnitude"]', 'methods = ["dense", "rigl"]'))
    _, cells = cells_of(path)
    dense, rigl = cells[0].setting, cells[-1].setting
    assert dense.model[:2] == ("mlp", '{"bias":true,"hidden":[8]}')
    assert dense.scorer is None
    assert rigl.method[:2] == (
        "rigl",
        '{"every":5,"examples":1000,"fraction":0.3,"gradient":"batch","schedule":"cosine","scope":"erk","stop":0.75}',
    )
    assert rigl.scorer is not None
    assert rigl.scorer.name == "random"
    assert all(len(choice.source) == 16 for _, choice in rigl.choices())


def test_a_methods_default_scorer_is_part_of_the_cell(tiny_suite, cells_of):
    """A row that names no scorer has the method's own, with its source in the key."""
    row = 'rigl = { method = { name = "rigl", every = 5 }'
    _, cells = cells_of(tiny_suite((f'{row}, scorer = "random" }}', f"{row} }}")), methods=("rigl",))
    assert {cell.setting.scorer.name for cell in cells} == {"random"}


def test_device_class_and_precision_are_part_of_a_plan(tiny_suite, plugins: Plugins):
    """The same suite on another device, or with other arithmetic, is other cells."""
    suite = read_suite(tiny_suite())
    keys = {
        cell.key
        for device, precision in (("cpu", "fp32"), ("cuda", "fp32"), ("cuda", "tf32"))
        for cell in make_plan(suite, "smoke", plugins, None, device, precision).cells
    }
    assert len(keys) == 3 * 4


def test_a_tier_says_its_precision_on_a_gpu(tiny_suite, plugins: Plugins):
    """Where none is asked for; on a CPU nothing changes, and what is asked for counts."""
    silent = read_suite(tiny_suite())
    suite = read_suite(tiny_suite(("timeout = 60", 'timeout = 60\nprecision = { cuda = "tf32" }'), name="tf32.toml"))

    def found(suite, device, precision="") -> tuple[set[str], list[str]]:
        cells = make_plan(suite, "smoke", plugins, None, device, precision).cells
        return {cell.setting.precision for cell in cells}, [cell.key for cell in cells]

    assert found(silent, "cuda")[0] == {"fp32"}
    assert found(suite, "cuda") == found(silent, "cuda", "tf32")
    assert found(suite, "cuda")[0] == {"tf32"}
    assert found(suite, "cuda", "fp32") == found(silent, "cuda")
    assert found(suite, "cpu") == found(silent, "cpu", "fp32")


def test_a_further_task_of_the_protocol_is_in_the_key(tmp_path: Path, tiny_suite):
    """A protocol that judges on a second task brings that task's source with it."""
    (tmp_path / "elsewhere.py").write_text(
        """
from dataclasses import dataclass
from ticketbench import Protocol, Stages, hookimpl

@dataclass(frozen=True)
class Elsewhere(Protocol):
    name = "elsewhere"
    summary = "judge on another task"

    def stages(self, task, find):
        return Stages(task, task, {"there": find("prefix_sums", length=5, examples=20, test_examples=8)})

@hookimpl
def ticketbench_protocols():
    return [Elsewhere()]
"""
    )
    stranger = STRANGER
    plugins = load_plugins([stranger, tmp_path / "elsewhere.py"])
    path = tiny_suite(('protocols = ["same"]', 'protocols = ["same", "elsewhere"]'))
    same, elsewhere = (
        next(cell for cell in make_plan(read_suite(path), "smoke", plugins).cells if cell.setting.protocol.name == name)
        for name in ("same", "elsewhere")
    )
    assert same.setting.stage_sources == ()
    assert [(name, len(source)) for name, source in elsewhere.setting.stage_sources] == [("prefix_sums", 16)]


# -- selection ---------------------------------------------------------------------------------------------


def test_selecting_rows(tiny_suite, cells_of):
    """A selected cell is the one of the whole plan, with its key."""
    path = tiny_suite()
    _, whole = cells_of(path)
    _, cells = cells_of(path, methods=("magnitude",))
    assert cells == whole[2:]
    assert rows(cells) == ["magnitude"]


def test_a_row_that_another_block_has_stays_there(tiny_suite, cells_of):
    """`--method random` runs in the second block, which lists it, and not in the first."""
    _, cells = cells_of(tiny_suite(TWO_BLOCKS), methods=("random",))
    assert {cell.density for cell in cells} == {0.2, 0.1}
    assert {cell.key for cell in cells} < {cell.key for cell in cells_of(tiny_suite(TWO_BLOCKS))[1]}


def test_a_row_that_no_block_has_runs_in_all(tiny_suite, cells_of):
    """`--method snip` is the suite's row of that name, at each block's densities."""
    _, cells = cells_of(tiny_suite(TWO_BLOCKS), methods=("snip",))
    assert {cell.setting.row for cell in cells} == {"snip"}
    assert {cell.density for cell in cells} == {0.5, 0.2, 0.1}


def test_selecting_a_task_takes_all_its_variants(tiny_suite, cells_of):
    """By name, whatever its options."""
    path = tiny_suite(TWO_BLOCKS, ('tasks = ["blobs"]', 'tasks = ["blobs", "prefix_sums"]'))
    _, cells = cells_of(path, tasks=("blobs",))
    assert Counter(cell.setting.task.name for cell in cells) == {"blobs": 28}
    assert len({cell.setting.task.options for cell in cells}) == 2
    _, others = cells_of(path, tasks=("prefix_sums",))
    assert Counter(cell.setting.task.name for cell in others) == {"prefix_sums": 4}


def test_selecting_densities_replaces_the_suites(tiny_suite, cells_of):
    """Also by those that the suite does not have; the dense row keeps its own."""
    _, cells = cells_of(tiny_suite(), densities=(0.3, 0.02))
    assert [(cell.setting.row, cell.density) for cell in cells if cell.seed == 0] == [
        ("dense", 1.0),
        ("magnitude", 0.3),
        ("magnitude", 0.02),
    ]


@pytest.mark.parametrize(
    ("written", "wanted", "seeds"),
    [("[0, 1]", 1, {0}), ("[0, 1]", 2, {0, 1}), ("[0, 1]", 4, {0, 1, 2, 3}), ("[7, 3]", 4, {7, 3, 8, 9})],
)
def test_selecting_seeds_keeps_the_suites_first(tiny_suite, cells_of, written: str, wanted: int, seeds: set[int]):
    """Fewer are the first of the suite's; more go on above the highest, so that none is drawn twice."""
    _, cells = cells_of(tiny_suite(("seeds = [0, 1]", f"seeds = {written}")), seeds=wanted)
    assert {cell.seed for cell in cells} == seeds


def test_more_seeds_leave_the_keys_of_the_others(tiny_suite, cells_of):
    """A run with more seeds goes on where one with fewer stopped."""
    few, many = (cells_of(tiny_suite(), seeds=count)[1] for count in (2, 3))
    assert {cell.key for cell in few} < {cell.key for cell in many}


def test_a_scorer_of_a_plugin_runs_as_the_suite_says(tiny_suite, cells_of):
    """`--method fisher` is a row: the suite's `scorers_run_as`, with its options, ranked by that scorer."""
    path = tiny_suite(('scorers_run_as = "oneshot"', 'scorers_run_as = { name = "iterative", rounds = 7 }'))
    _, cells = cells_of(path, methods=("fisher",))
    assert len(cells) == 2
    setting = cells[0].setting
    assert setting.row == "fisher"
    assert setting.method[:2] == ("iterative", '{"rounds":7,"schedule":"exponential","scope":"global"}')
    assert setting.scorer is not None
    assert setting.scorer[:2] == ("fisher", '{"batches":4}')


def test_a_method_of_a_plugin_runs_as_it_is(tiny_suite, cells_of):
    """`--method halfway` is a row, ranked by what the method ranks by."""
    _, cells = cells_of(tiny_suite(), methods=("halfway", "dense"))
    assert rows(cells) == ["halfway", "dense"]
    setting = cells[0].setting
    assert (setting.method.name, setting.scorer and setting.scorer.name) == ("halfway", "magnitude")


def test_a_row_with_options_is_another_row(tiny_suite, cells_of):
    """Its name is what was written, in one spelling; the other options are the row's; the plain row keeps its keys."""
    _, plain = cells_of(tiny_suite(), methods=("imp", "snip"))
    _, cells = cells_of(tiny_suite(), methods=("imp", "imp[ fraction=0.30,rewind = step, rewind_step=2 ]", "snip"))
    assert rows(cells) == ["imp", "imp[fraction=0.3,rewind=step,rewind_step=2]", "snip"]
    assert {cell.key for cell in plain} < {cell.key for cell in cells}
    options = json.loads(next(cell.setting.method.options for cell in cells if "[" in cell.setting.row))
    assert (options["fraction"], options["rewind"], options["rewind_step"]) == (0.3, "step", 2)
    _, several = cells_of(tiny_suite(), methods=("imp,imp[rewind_step=2,rewind='step',fraction=0.3], snip, imp",))
    assert [cell.key for cell in several] == [cell.key for cell in cells]


@pytest.mark.parametrize(
    ("written", "row", "method", "scorer"),
    [
        ("snip[batches=3]", "snip[batches=3]", {"scope": "global"}, ("snip", {"batches": 3})),
        ("snip[scorer.batches=3,scope=erk]", "snip[batches=3,scope=erk]", {"scope": "erk"}, ("snip", {"batches": 3})),
        ("imp[fraction=0.3,scorer=snip]", "imp[fraction=0.3,scorer=snip]", {"fraction": 0.3}, ("snip", {"batches": 1})),
        ("fisher[batches=2]", "fisher[batches=2]", {"scope": "global"}, ("fisher", {"batches": 2})),
        ("halfway[scorer=random]", "halfway[scorer=random]", {}, ("random", {})),
        ("iterative[scorer=snip,rounds=2]", "iterative[rounds=2,scorer=snip]", {"rounds": 2}, ("snip", {"batches": 1})),
    ],
)
def test_options_are_the_methods_or_the_scorers(tiny_suite, cells_of, written, row, method, scorer):
    """Of rows, methods and scorers, a stranger's among them; `scorer=` names another scorer."""
    _, cells = cells_of(tiny_suite(), methods=(written,))
    setting = cells[0].setting
    assert rows(cells) == [row]
    assert method.items() <= json.loads(setting.method.options).items()
    assert setting.scorer.name == scorer[0]
    assert scorer[1].items() <= json.loads(setting.scorer.options).items()


def test_a_variant_of_a_row_runs_where_the_row_does(tiny_suite, cells_of):
    """Beside it, to be compared with; a variant of what no block has runs in every block."""
    block = TINY[TINY.index("[[tiers.smoke.blocks]]") :]
    other = block.replace("densities = [0.5]", "densities = [0.25]").replace('"magnitude"', '"imp"')
    path = tiny_suite((block, block + other))
    _, cells = cells_of(path, methods=("magnitude[scope=erk]", "imp[fraction=0.3]", "snip[scope=erk]"))
    assert {(cell.setting.row, cell.density) for cell in cells} == {
        ("magnitude[scope=erk]", 0.5),
        ("imp[fraction=0.3]", 0.25),
        ("snip[scope=erk]", 0.5),
        ("snip[scope=erk]", 0.25),
    }


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "imp[fractoin=0.3]",
            "--method 'imp[fractoin=0.3]': neither method 'imp' nor scorer 'magnitude' has an option ",
        ),
        (
            "imp[fraction=half]",
            "option 'fraction' of 'imp' in --method 'imp[fraction=half]' cannot be 'half'. It takes ",
        ),
        ("snip[batches=0.5]", "option 'batches' of 'snip' in --method 'snip[batches=0.5]' cannot be 0.5. It takes int"),
        ("imp[scorer=snop]", "unknown scorer 'snop' in --method 'imp[scorer=snop]'. Did you mean 'snip'? Valid: "),
        ("imq[fraction=0.3]", "unknown method 'imq' in --method. Did you mean 'imp'? Valid: "),
        ("dense[scorer.x=1]", "--method 'dense[scorer.x=1]': method 'dense' ranks by no scorer. Leave scorer.x out."),
        ("dense[x=1]", "--method 'dense[x=1]': method 'dense' has no option 'x'. There are none."),
        (
            "imp[fraction=0.3,method.fraction=0.4]",
            "--method 'imp[fraction=0.3,method.fraction=0.4]': option 'fraction' st",
        ),
        ('snip[scorer="<b>"]', "unknown scorer '<b>' in --method "),
        ("imp[fraction=0.3", "--method: '[' is not closed in 'imp[fraction=0.3'. Write "),
    ],
)
def test_wrong_options_are_one_message(tiny_suite, cells_of, written: str, message: str):
    """The option, what it takes, and what there is."""
    with pytest.raises(TicketbenchError) as caught:
        cells_of(tiny_suite(), methods=(written,))
    assert str(caught.value).startswith(message)


def test_a_row_that_no_board_could_name_is_refused(tiny_suite, tmp_path):
    """Before anything is computed: a name that is too long, or holds a sign that a page could mistake."""
    (tmp_path / "wordy.py").write_text(
        "from dataclasses import dataclass\nfrom ticketbench import Scorer, hookimpl, option\n"
        "@dataclass(frozen=True)\nclass Wordy(Scorer):\n"
        "    name = 'wordy'\n    summary = 'by words'\n    words: str = option('')\n"
        "    def score(self, trial):\n        return {name: weight.abs() for name, weight in trial.weights.items()}\n"
        "@hookimpl\ndef ticketbench_scorers():\n    return [Wordy()]\n"
    )
    suite, found = read_suite(tiny_suite()), load_plugins([STRANGER, tmp_path / "wordy.py"])
    plan = make_plan(suite, "smoke", found, Selection(methods=('wordy[words="two words"]',)))
    assert rows(plan.cells) == ['wordy[words="two words"]']
    for words in ('"<b>"', "x" * 120):
        with pytest.raises(
            OptionError, match=r"is no name of a row\. It must .* Give the row a short name in a suite file"
        ):
            make_plan(suite, "smoke", found, Selection(methods=(f"wordy[words={words}]",)))


@pytest.mark.parametrize(
    ("selection", "kind", "message"),
    [
        ({"methods": ("snipp",)}, UnknownNameError, "unknown method 'snipp' in --method. Did you mean 'snip'? Valid: "),
        (
            {"tasks": ("blob",)},
            UnknownNameError,
            "unknown task 'blob' in --task (suite 'tiny', tier smoke). Did you mean 'blobs'? Valid: blobs.",
        ),
        ({"densities": (0.5, 1.2)}, OptionError, "--density 1.2 is outside (0, 1]: it is the fraction of weights kept"),
        ({"densities": (0.0,)}, OptionError, "--density 0 is outside (0, 1]"),
        ({"densities": (float("nan"),)}, OptionError, "--density nan is outside (0, 1]"),
        ({"seeds": 0}, OptionError, "--seeds 0 is no number of seeds. Give 1 or more."),
        ({"seeds": -3}, OptionError, "--seeds -3 is no number of seeds. Give 1 or more."),
        (
            {"methods": ("iterative",)},
            SuiteError,
            "row 'iterative' (suite 'tiny', tiers.smoke.blocks (number 1)): "
            "method 'iterative' needs a scorer to rank by; add `scorer = …`",
        ),
    ],
)
def test_a_wrong_selection_is_one_message(tiny_suite, cells_of, selection, kind, message: str):
    """The option, the value, and what would work."""
    with pytest.raises(kind) as caught:
        cells_of(tiny_suite(), **selection)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('tasks = ["blobs"]', 'tasks = ["blob"]'),
            "unknown task 'blob' in suite 'tiny', tiers.smoke.blocks (number 1). Did you mean 'blobs'?",
        ),
        (
            ('protocols = ["same"]', 'protocols = ["sam"]'),
            "unknown protocol 'sam' in suite 'tiny', tiers.smoke.blocks (number 1). Did you mean 'same'?",
        ),
        (
            ("hidden = [8]", "hiden = [8]"),
            "'mlp' has no option 'hiden' (in suite 'tiny', tiers.smoke.blocks (number 1)). Did you mean 'hidden'?",
        ),
        (
            ("hidden = [8]", 'hidden = "8"'),
            "option 'hidden' of 'mlp' in suite 'tiny', tiers.smoke.blocks (number 1) cannot be '8'. "
            "It takes tuple[int, ...].",
        ),
        (
            ('dense = { method = "dense" }', 'dense = { method = "dens" }'),
            "unknown method 'dens' in suite 'tiny', tiers.smoke.blocks (number 1). Did you mean 'dense'?",
        ),
        (
            ('dense = { method = "dense" }', 'dense = { method = "dense", scorer = "snip" }'),
            "row 'dense' (suite 'tiny', tiers.smoke.blocks (number 1)): method 'dense' takes no scorer",
        ),
        (
            ('magnitude = { method = "oneshot", scorer = "magnitude" }', 'magnitude = { method = "oneshot" }'),
            "row 'magnitude' (suite 'tiny', tiers.smoke.blocks (number 1)): method 'oneshot' needs a scorer",
        ),
    ],
)
def test_a_name_or_option_that_a_suite_gets_wrong(tiny_suite, cells_of, change: tuple[str, str], message: str):
    """Found when the suite is planned, before anything runs; the block is named."""
    with pytest.raises(TicketbenchError) as caught:
        cells_of(tiny_suite(change))
    assert str(caught.value).startswith(message)


def test_a_registered_suite_that_calls_itself_otherwise(tmp_path: Path, tiny_suite):
    """The file's stem is its name on the command line, so the two must agree."""
    tiny_suite(name="other.toml")
    (tmp_path / "offers.py").write_text(
        "from pathlib import Path\nfrom ticketbench import hookimpl\n"
        "@hookimpl\ndef ticketbench_suites():\n    return [Path(__file__).parent / 'other.toml']\n"
    )
    with pytest.raises(TicketbenchError, match="the suite file registered as 'other' calls itself 'tiny'"):
        find_suite("other", load_plugins([tmp_path / "offers.py"]))


def test_counts_of_an_axis(tiny_suite, cells_of):
    """How many cells each value has, for the summary."""
    _, cells = cells_of(tiny_suite())
    assert count_by(cells, "row") == {"dense": 2, "magnitude": 2}
    assert count_by(cells, "density") == {"1.0": 2, "0.5": 2}
    assert count_by(cells, "seed") == {"0": 2, "1": 2}


# -- fleets ------------------------------------------------------------------------------------------------

SETTING = Setting(
    "made",
    1,
    "smoke",
    "row",
    Choice("m"),
    None,
    Choice("n"),
    Choice("t"),
    Choice("p"),
    Choice("i"),
    (),
    "plain",
    "{}",
    "fp32",
    "cpu",
)
GROUPS = [
    replace(SETTING, method=Choice("other")),
    replace(SETTING, model=Choice("n", '{"width":2}')),
    replace(SETTING, task=Choice("t", "{}", "another source")),
    replace(SETTING, recipe='{"steps":2}'),
    SETTING,
]
"""Settings that cannot share a stacked model."""


def plan_of(cells: list[Cell]) -> Plan:
    """A plan of hand-made cells."""
    return Plan(None, "smoke", tuple(cells), 60.0)  # type: ignore[arg-type]


def cells_with_a_recipe(count: int) -> list[Cell]:
    """Cells of two rows that share everything else."""
    text = Recipe(optimizer="adam", learning_rate=0.1, batch=20, epochs=3).text()
    pair = (replace(SETTING, recipe=text), replace(SETTING, recipe=text, row="row 2", scorer=Choice("s")))
    return [make_cell(pair[seed % 2], pair[seed % 2].text(), 0.5, seed) for seed in range(count)]


def cells_in_groups(sizes: list[int]) -> list[Cell]:
    """So many cells of each group, of two rows each that may share a fleet."""
    pairs = [(setting, replace(setting, row="row 2", scorer=Choice("s"))) for setting in GROUPS]
    return [
        make_cell(pair[seed % 2], pair[seed % 2].text(), 0.5, seed)
        for pair, size in zip(pairs, sizes, strict=False)
        for seed in range(size)
    ]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=len(GROUPS)).map(cells_in_groups).flatmap(st.permutations),
    st.integers(1, 9),
    st.integers(0, 12),
)
def test_fleets(cells: list[Cell], workers: int, largest: int):
    """Every cell is in exactly one fleet; a fleet shares what it must, is within the limit; no worker is idle."""
    fleets = plan_of(cells).fleets(cells, "cpu", workers, largest)
    assert sorted(cell.key for fleet in fleets for cell in fleet.cells) == sorted(cell.key for cell in cells)
    assert all(len({cell.setting.fleet_text() for cell in fleet.cells}) == 1 for fleet in fleets)
    assert max(len(fleet.cells) for fleet in fleets) <= (largest or CPU_FLEET)
    assert len(fleets) >= min(workers, len(cells))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 70))
def test_splitting_a_fleet(count: int, parts: int):
    """The same cells in the same order, in so many parts that differ by one at most, and none is empty."""
    fleet = Fleet(tuple(cells_in_groups([count])), 60.0, "cuda:1")
    split = fleet.split(parts)
    assert [cell for part in split for cell in part.cells] == list(fleet.cells)
    sizes = [len(part.cells) for part in split]
    assert len(sizes) == min(parts, count)
    assert max(sizes) - min(sizes) <= 1
    assert {(part.timeout, part.device) for part in split} == {(60.0, "cuda:1")}


def test_a_gpu_takes_larger_fleets():
    """On one GPU 30 cells are one fleet; on one CPU worker they are eight of four at most."""
    cells = cells_with_a_recipe(30)
    assert [len(fleet.cells) for fleet in plan_of(cells).fleets(cells, "cuda", 1)] == [30]
    on_cpu = plan_of(cells).fleets(cells, "cpu", 1)
    assert (len(on_cpu), max(len(fleet.cells) for fleet in on_cpu)) == (8, 4)
    assert CUDA_FLEET >= 30


def test_a_stack_of_a_gpu_takes_what_is_one_computation():
    """Rows, methods, initializers, rates, decays and lengths may differ, not the batch; the longest come first."""
    recipe = Recipe(optimizer="adam", learning_rate=0.1, batch=20, epochs=3)
    base = replace(SETTING, recipe=recipe.text())
    other = Recipe(optimizer="adam", learning_rate=0.5, batch=20, steps=7, weight_decay=0.1, schedule="cosine")
    settings_of = [
        replace(base, row="its own length", recipe=other.text()),
        replace(base, row="another batch", recipe=recipe.model_copy(update={"batch": 21}).text()),
        replace(base, row="another method", method=Choice("m2"), initializer=Choice("i2")),
        replace(base, row="stops often", method=Choice("m3")),
    ]
    cells = [make_cell(one, one.text(), 0.5, seed) for one in (base, *settings_of) for seed in range(2)]
    plan = replace(plan_of(cells), apart=frozenset({"m3"}), trainings={cells[7].key: 5.0})
    (mixed, batch, often) = sorted(plan.fleets(cells, "cuda", 1, 4), key=lambda fleet: -len(fleet.cells))
    assert {cell.setting.row for cell in mixed.cells} == {base.row, "its own length", "another method"}
    assert (len(mixed.cells), mixed.seats, mixed.cells[0].key) == (6, 4, cells[7].key)
    assert {batch.cells[0].setting.row, often.cells[0].setting.row} == {"another batch", "stops often"}
    assert (batch.seats, often.seats) == (2, 2)


def test_places_are_as_many_as_there_is_room_for():
    """The least of what the settings of a fleet leave room for; two workers share a group."""
    cells = cells_with_a_recipe(30)
    (fleet,) = plan_of(cells).fleets(cells, "cuda", 1, room=lambda setting: 7 if setting.row == "row 2" else 20)
    assert (len(fleet.cells), fleet.seats) == (30, 7)
    halves = plan_of(cells).fleets(cells, "cuda", 2, room=lambda setting: 100)
    assert [(len(half.cells), half.seats) for half in halves] == [(15, 15), (15, 15)]


def test_the_name_of_a_fleet_depends_on_its_cells_alone():
    """Whatever else was planned, and in which order."""
    cells = cells_in_groups([3, 2])
    names = {fleet.name for fleet in plan_of(cells).fleets(cells, "cpu", 1)}
    assert {fleet.name for fleet in plan_of(cells).fleets(cells[::-1], "cpu", 1)} == names
    alone = plan_of(cells[:3]).fleets(cells[:3], "cpu", 1)
    assert {fleet.name for fleet in alone} < names
    assert len(names) == 2


def test_fleets_of_what_is_left(tiny_suite, cells_of):
    """A plan makes fleets of the cells that it is given, such as those that the store lacks."""
    _, cells = cells_of(tiny_suite())
    fleets = plan_of(list(cells)).fleets(cells[1:2], "cpu", 4)
    assert [fleet.cells for fleet in fleets] == [cells[1:2]]


def test_fleets_are_no_larger_than_the_memory_of_a_worker(plugins, tiny_suite):
    """Where the estimate says that two cells fit, no fleet has three; where not even one does, each has one."""
    whole = make_plan(read_suite(tiny_suite()), "smoke", plugins, Selection(seeds=7))
    resolver = Resolver(plugins)
    one = cost_of(whole.cells[0].setting, resolver).memory(1)
    for memory, most in ((2.5 * one, 2), (one / 2, 1)):
        fleets = whole.fleets(whole.cells, "cpu", 1, room=room_in(memory, resolver))
        assert max(len(fleet.cells) for fleet in fleets) == most
        assert sum(len(fleet.cells) for fleet in fleets) == len(whole.cells)


def test_selecting_models_protocols_and_initializers(tiny_suite, cells_of):
    """Each by name, together an intersection; the cells are those of the whole plan."""
    path = tiny_suite(
        ('initializers = ["default"]', 'initializers = ["default", "he", { name = "he", gain = 1.0 }]'),
        ('models = [{ name = "mlp", hidden = [8] }]', 'models = [{ name = "mlp", hidden = [8] }, "mlp"]'),
    )
    whole = cells_of(path)[1]
    chosen = cells_of(path, initializers=("he",), models=("mlp",), protocols=("same",))[1]
    assert {cell.key for cell in chosen} < {cell.key for cell in whole}
    assert len(whole) == 3 * len(chosen) // 2
    assert {cell.setting.initializer.name for cell in chosen} == {"he"}


@pytest.mark.parametrize(
    ("axis", "word"), [("models", "model"), ("protocols", "protocol"), ("initializers", "initializer")]
)
def test_an_axis_that_no_block_has_is_refused(axis: str, word: str, tiny_suite, cells_of):
    """With the names that the tier knows."""
    with pytest.raises(UnknownNameError, match=rf"unknown {word} 'mpl' in --{word} \(suite 'tiny', tier smoke\)"):
        cells_of(tiny_suite(), **{axis: ("mpl",)})
