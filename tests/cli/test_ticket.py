"""`ticketbench ticket`: real processes, real files, and a reader that knows nothing of ticketbench."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from places import STRANGER
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ticketbench.cli import main
from ticketbench.masks.ticket import Ticket
from ticketbench.plan.cell import Cell, make_cell

NORMED = '''
from dataclasses import dataclass
from torch import nn
from ticketbench import Model, hookimpl, option


@dataclass(frozen=True)
class Normed(Model):
    """A hidden layer with batch norm."""

    name = "normed"
    summary = "a hidden layer with batch norm"
    reference = "none"

    hidden: int = option(40, "units", at_least=1)

    def build(self, shapes):
        return nn.Sequential(
            nn.Linear(shapes.inputs[0], self.hidden), nn.BatchNorm1d(self.hidden), nn.ReLU(),
            nn.Linear(self.hidden, 20), nn.ReLU(), nn.Linear(20, shapes.outputs),
        )


@hookimpl
def ticketbench_models():
    return [Normed()]
'''

READER = """
import json, sys
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.nn import Linear, BatchNorm1d


def network(a, b):
    return nn.Sequential(Linear(6, a), BatchNorm1d(a), nn.ReLU(), Linear(a, b), nn.ReLU(), Linear(b, 3)).eval()


full = network(40, 20)
full.load_state_dict(load_file("full.safetensors"))
with safe_open("small.safetensors", framework="pt") as file:
    layers = json.loads(file.metadata()["layers"])
sizes = {name: eval(text, {"Linear": Linear, "BatchNorm1d": BatchNorm1d}) for name, text in layers.items()}
small = network(sizes["0"].out_features, sizes["3"].out_features)
small.load_state_dict(load_file("small.safetensors"))
inputs = torch.randn(50, 6)
worst = (full(inputs) - small(inputs)).abs().max().item()
zeros = sum(int((part == 0).sum()) for part in full.parameters() if part.ndim > 1)
print(json.dumps({"worst": worst, "units": [small[0].out_features, small[3].out_features], "zeros": zeros,
                  "moved": bool(full[1].running_mean.abs().sum() > 0),
                  "clean": not any(name.startswith("ticketbench") for name in sys.modules)}))
"""


@pytest.fixture
def suite(tiny_suite, tmp_path: Path) -> Path:
    """The tiny suite with the normed network at 10 %."""
    (tmp_path / "normed.py").write_text(NORMED)
    return tiny_suite(
        ('{ name = "mlp", hidden = [8] }', '"normed"'),
        ("densities = [0.5]", "densities = [0.1]"),
        ('methods = ["dense", "magnitude"]', 'methods = ["magnitude", "imp"]'),
    )


PLUGINS = ("--plugin", STRANGER, "--plugin", "normed.py")


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command in this process: its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def said(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ticketbench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return said


@pytest.fixture
def refused(said: Said) -> Callable[..., str]:
    """Run a command that must be refused; its one message."""

    def refused(*words: str | Path) -> str:
        status, out, err = said(*words)
        assert (status, out) == (2, "")
        assert "\x1b" not in err
        assert err.startswith("ticketbench: error: ")
        return err.removeprefix("ticketbench: error: ").strip()

    return refused


@pytest.fixture
def drawn(said: Said, suite: Path, tmp_path: Path) -> Path:
    """A drawn ticket."""
    path = tmp_path / "one.safetensors"
    draw = ("ticket", "draw", "--suite", suite, "--method", "magnitude", "--out", path, *PLUGINS)
    assert said(*draw) == (0, f"{path}: 110 of 1,100 weights\n", "")
    return path


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """The same tensors, bit for bit."""
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


def test_draw_writes_what_a_run_would_draw_and_exports_load_without_ticketbench(
    ticketbench, suite: Path, tmp_path: Path
):
    """For a method that trains while drawing, too; statistics travel; the compact network computes the same."""
    common = ("--suite", suite, "--device", "cpu", *PLUGINS)
    run = ticketbench("run", *common, "--method", "imp", "--seeds", "1", "--keep-tickets")
    assert run.returncode == 0, run.stderr
    (theirs,) = (tmp_path / "results" / "tickets").glob("*.ticket.safetensors")
    draw = ticketbench("ticket", "draw", *common, "--method", "imp", "--out", "folder")
    assert draw.returncode == 0, draw.stderr
    mine = tmp_path / "folder" / theirs.name
    assert equal(load_file(theirs), load_file(mine))
    assert Ticket.load(theirs).about == Ticket.load(mine).about

    solution = theirs.with_name(theirs.name.replace(".ticket.", ".solution."))
    full = ticketbench("ticket", "export", solution, "--out", "full.safetensors", *PLUGINS)
    small = ticketbench("ticket", "export", solution, "--out", "small.safetensors", "--compact", *PLUGINS)
    assert (full.returncode, small.returncode) == (0, 0), full.stderr + small.stderr
    assert "  0: Linear(in_features=6, out_features=40, bias=True)" in full.stdout.splitlines()
    reader = subprocess.run(
        [sys.executable, "-W", "error", "-c", READER], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert reader.returncode == 0, reader.stderr
    read = json.loads(reader.stdout)
    assert (read["clean"], read["moved"]) == (True, True)
    assert read["worst"] < 1e-5
    assert read["zeros"] == 990
    assert read["units"][0] < 40
    assert f"  3: Linear(in_features={read['units'][0]}, out_features={read['units'][1]}, bias=True)" in small.stdout


def test_an_export_holds_plain_names_in_the_asked_type(said: Said, drawn: Path, tmp_path: Path):
    """No masks, no definition; weights outside the mask are zero; counters stay integers."""
    assert said("ticket", "export", drawn, "--out", "half.safetensors", "--dtype", "float16", *PLUGINS)[0] == 0
    tensors, ticket = load_file(tmp_path / "half.safetensors"), Ticket.load(drawn)
    assert tensors.keys() == ticket.weights.keys()
    assert {part.dtype for name, part in tensors.items() if "batches" not in name} == {torch.float16}
    assert tensors["1.num_batches_tracked"].dtype == torch.int64
    for name, mask in ticket.mask.items():
        assert tensors[name].equal(ticket.weights[name].half())
        assert not tensors[name][~mask].any()
    with safe_open(tmp_path / "half.safetensors", framework="pt") as file:
        assert file.metadata().keys() == {"format", "layers"}


def test_inspect_shows_layers_origin_and_likeness_beside_chance(said: Said, suite, drawn: Path, tmp_path: Path):
    """The numbers of a program are those that the masks give; a person reads the same."""
    other = ("--suite", suite, "--method", "magnitude", "--seed", "7", "--out", "two.safetensors", *PLUGINS)
    assert said("ticket", "draw", *other)[0] == 0
    status, out, _ = said("ticket", "inspect", drawn.name, "two.safetensors", "--json")
    assert status == 0
    found = json.loads(out)
    masks = [Ticket.load(tmp_path / name).mask for name in (drawn.name, "two.safetensors")]
    one, two = found["tickets"]
    assert (one["kept"], one["prunable"], one["density"]) == (110, 1100, 0.1)
    assert (one["origin"]["row"], one["origin"]["seed"], two["origin"]["seed"]) == ("magnitude", "0", "7")
    for layer in one["layers"]:
        mask = masks[0][layer["name"]]
        assert layer["kept"] == int(mask.sum())
        assert layer["unreached"] == sum(not any(row) for row in mask.tolist())
        assert layer["unread"] == sum(not any(column) for column in zip(*mask.tolist(), strict=True))
    (pair,) = found["pairs"]
    flat = [torch.cat([part.flatten() for part in mask.values()]) for mask in masks]
    assert pair["overlap"]["distance"] == pytest.approx((flat[0] ^ flat[1]).float().mean().item())
    assert pair["overlap"]["common"] == pytest.approx(int((flat[0] & flat[1]).sum()) / 110)
    assert 0 < pair["chance"]["common"] < 1
    _, text, _ = said("ticket", "inspect", drawn.name, "two.safetensors")
    assert "keeps     110 of 1,100 weights, density 0.1" in text
    assert f"by chance {pair['chance']['jaccard']:.4f}" in text


def test_several_cells_are_listed_or_go_to_a_folder(said: Said, refused, tiny_suite, tmp_path: Path):
    """One file holds one ticket; --density chooses, and a folder takes all."""
    suite = tiny_suite(("densities = [0.5]", "densities = [0.5, 0.25]"))
    words = ("ticket", "draw", "--suite", suite, "--method", "magnitude", "--plugin", STRANGER, "--out")
    first, *listed = refused(*words, "one.safetensors").splitlines()
    assert first.startswith("2 cells match, and --out names one file. Choose with --task, --model, --protocol, --init")
    assert [line.rpartition(", ")[2] for line in listed] == ["density 0.5", "density 0.25"]
    assert not (tmp_path / "one.safetensors").exists()
    assert said(*words, "all")[0] == 0
    assert len(list((tmp_path / "all").iterdir())) == 2
    assert said(*words, "one.safetensors", "--density", "0.25")[0] == 0


def rewritten(drawn: Path, name: str, change) -> str:
    """The drawn ticket with another `about`."""
    with safe_open(drawn, framework="pt") as file:
        metadata = file.metadata()
    about = json.loads(metadata["about"])
    change(about)
    path = drawn.with_name(name)
    save_file(load_file(drawn), path, metadata={**metadata, "about": json.dumps(about)})
    return path.name


def test_wrong_files_are_one_message(refused, drawn: Path, tmp_path: Path):
    """Missing, cut, a stranger's weights, hostile names, a folder: status 2, no escape, no traceback."""
    (tmp_path / "cut.safetensors").write_bytes(drawn.read_bytes()[:-9])
    save_file({"a": torch.zeros(2)}, tmp_path / "plain.safetensors")
    evil = {"mask:\x1b[31mred": torch.ones(2, dtype=torch.bool)}
    save_file(evil, tmp_path / "evil.safetensors", metadata={"format": "ticketbench-ticket-1", "about": "{}"})
    for name in ("gone.safetensors", "cut.safetensors", "plain.safetensors", "evil.safetensors", "."):
        for words in (("inspect", name), ("export", name, "--out", "x.safetensors")):
            assert "\n" not in refused("ticket", *words)
    assert not (tmp_path / "x.safetensors").exists()


def test_hostile_definitions_are_one_message(said: Said, refused, drawn: Path):
    """None, nonsense, a changed one, an unknown model, and a network far larger than the file."""

    def resealed(**choices):
        """A definition that is consistent in itself."""

        def change(about):
            about["definition"]["setting"].update(choices)
            cell = Cell.from_plain(about["definition"])
            about["definition"]["key"] = make_cell(cell.setting, cell.setting.text(), cell.density, cell.seed).key

        return change

    changes = {
        "none": (lambda about: about.pop("definition"), "does not say which cell"),
        "nonsense": (lambda about: about.update(definition=[[[]]]), "does not say which cell"),
        "changed": (lambda about: about["definition"].update(seed=3), "not the hash"),
        "unknown": (resealed(model=["\x1b[31mmlq", "{}", ""]), r"unknown model '\x1b[31mmlq'"),
        "options": (resealed(model=["normed", "{", ""]), "cannot be built"),
        "huge": (resealed(model=["normed", '{"hidden": 4000000000000}', ""]), "has shape"),
    }
    for name, (change, message) in changes.items():
        path = rewritten(drawn, f"{name}.safetensors", change)
        error = refused("ticket", "export", path, "--out", "x.safetensors", *PLUGINS)
        assert error.startswith(f"{path}: its network cannot be built: ")
        assert message in error
        status, out, _ = said("ticket", "inspect", path)
        assert status == 0
        assert "\x1b[31m" not in out


def test_places_that_cannot_be_written_are_one_message(refused, suite: Path, drawn: Path, tmp_path: Path):
    """A file where a folder should be."""
    (tmp_path / "file").write_text("mine")
    draw = ("ticket", "draw", "--suite", suite, "--method", "magnitude", *PLUGINS)
    assert "--out: cannot make the folder" in refused(*draw, "--out", "file/one.safetensors")
    export = ("ticket", "export", drawn, *PLUGINS)
    assert "--out: cannot write" in refused(*export, "--out", "file/one.safetensors")
    assert "--out: cannot write" in refused(*export, "--out", "missing/one.safetensors")
