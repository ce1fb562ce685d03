"""Measured ratios: remembered by machine, by running means, whatever happens to the file."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from ticketbench import version
from ticketbench.plan.measured import LIMIT, Measured, machine_key, rates_file
from ticketbench.store.environment import processor


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ratios lie."""
    monkeypatch.setenv("TICKETBENCH_RATES", str(tmp_path / "deep" / "rates.json"))
    return tmp_path / "deep" / "rates.json"


def test_the_mean_of_ratios_is_geometric(place: Path):
    """Four times and once as long as estimated: twice, also for whoever reads the file next."""
    first = Measured.here()
    assert first.factor("net") is None
    first.learn({"net": 4e6}, {"net": 1e6})
    first.learn({"net": 1e6}, {"net": 1e6})
    assert first.factor("net") == pytest.approx(2.0, rel=1e-4)
    assert Measured.here().ratios["net"] == (pytest.approx(2.0, rel=1e-4), 2)
    assert Measured.here("a card").factor("net") is None


def test_a_run_of_seconds_says_little(place: Path):
    """Ten seconds, eight times as long as estimated, count half: the square root of eight."""
    measured = Measured.here()
    measured.learn({"net": 10.0}, {"net": 10.0 / 8})
    assert measured.factor("net") == pytest.approx(8**0.5)


def test_one_run_says_no_more_than_the_limit(place: Path):
    """A machine that slept for a day is twenty times slower at most."""
    measured = Measured.here()
    measured.learn({"slow": 1e6, "fast": 1e6}, {"slow": 1.0, "fast": 1e12})
    assert measured.factor("slow") == pytest.approx(LIMIT, rel=1e-3)
    assert measured.factor("fast") == pytest.approx(1 / LIMIT, rel=1e-3)


def test_the_mean_follows_a_machine_that_changed(place: Path):
    """After a hundred runs at 1, thirty at 4 are most of what is remembered."""
    measured = Measured.here()
    measured.ratios = {"net": (1.0, 100)}
    place.parent.mkdir()
    place.write_text(json.dumps({measured.machine: {"net": [1.0, 100]}}))
    for _ in range(30):
        measured.learn({"net": 4000.0}, {"net": 1000.0})
    assert 3.0 < (measured.factor("net") or 0) < 4.0


def test_moments_say_nothing(place: Path):
    """Less than two seconds of a model, or an estimate of nothing, leave no trace."""
    Measured.here().learn({"net": 1.9, "none": 5.0}, {"net": 1.0, "none": 0.0})
    assert not place.exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1, 2]", '{"%s": 3}', '{"%s": {"net": 2}}', '{"%s": {"net": [-1, 2]}}', '{"%s": {"net": [NaN, 1]}}'],
)
def test_a_broken_file_counts_as_none_and_is_mended(place: Path, content: str):
    """Whatever it holds."""
    place.parent.mkdir()
    place.write_text(content.replace("%s", machine_key("", 1).replace('"', '\\"')))
    measured = Measured.here()
    assert measured.ratios == {}
    measured.learn({"net": 3e6}, {"net": 1e6})
    assert Measured.here().factor("net") == pytest.approx(3.0, rel=1e-3)


def test_other_machines_are_left_alone(place: Path):
    """What another one measured stays in the file."""
    place.parent.mkdir()
    place.write_text(json.dumps({"another": {"net": [7.0, 1]}}))
    Measured.here().learn({"net": 30.0}, {"net": 10.0})
    assert json.loads(place.read_text())["another"] == {"net": [7.0, 1]}


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Estimates decide no result."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TICKETBENCH_RATES", str(tmp_path / "file" / "rates.json"))
    measured = Measured.here()
    measured.learn({"net": 30.0}, {"net": 10.0})
    assert measured.ratios == {}


def learn_once(place: str, model: str) -> None:
    """What one of many runs does at its end."""
    Measured("here", Path(place)).learn({model: 3e6}, {model: 1e6})


def test_runs_that_end_together_all_count(tmp_path: Path):
    """Eight processes, a model each, into one file."""
    place = tmp_path / "rates.json"
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=learn_once, args=(str(place), f"net {number}")) for number in range(8)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert json.loads(place.read_text()) == {
        "here": {f"net {number}": [pytest.approx(3.0, rel=1e-3), 1] for number in range(8)}
    }


def test_what_a_machine_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Processor, threads, card and versions; and the user's cache folder where nothing else is said."""
    key = machine_key("a card", 2)
    assert key.startswith(f"{processor()}, 2 threads, a card, torch ")
    assert key.endswith(f"ticketbench {version.__version__}")
    monkeypatch.delenv("TICKETBENCH_RATES", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert rates_file() == tmp_path / "ticketbench" / "rates.json"
