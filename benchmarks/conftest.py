"""What the benchmarks share: side by side in one run, as ratios, printed with sizes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def quiet_arithmetic():
    torch.set_flush_denormal(True)


@pytest.fixture
def side_by_side(capsys) -> Callable[..., dict[str, float]]:
    """Time contenders in turns, several rounds, and print medians as ratios to the first."""

    def compare(title: str, contenders: Mapping[str, Callable[[], float]], rounds: int = 3) -> dict[str, float]:
        """Each contender returns how many units of work it did; the result is units a second, the median."""
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, work in contenders.items():
                start = time.perf_counter()
                units = work()
                rates[name].append(units / (time.perf_counter() - start))
        medians = {name: statistics.median(values) for name, values in rates.items()}
        base = next(iter(medians.values()))
        with capsys.disabled():
            print(f"\n{title} ({rounds} rounds, medians)")
            for name, rate in medians.items():
                print(f"  {name:58} {rate:12,.{0 if rate >= 100 else 2}f} /s   {rate / base:6.2f}x")
        return medians

    return compare
