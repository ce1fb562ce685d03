"""The common scatter against scipy's F distribution, another way to the same fit, and data whose scatter is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from ticketbench.results.scatter import FEWEST_VARIANCES, UNKNOWN, Scatter, scatter_of, trigamma_inverse, variances_of


def drawn(count, seeds, variance, freedom, source):
    """Differences whose variances are a scaled inverse chi-square: s² ~ variance · F(seeds − 1, freedom)."""
    scales = np.sqrt(variance * freedom / source.chisquare(freedom, size=count))
    return source.normal(size=(count, seeds)) * scales[:, None]


def limma(variances, degrees):
    """fitFDist as limma writes it, its root found by bisection instead of Newton's steps."""
    logs = np.log(variances)
    e = logs - special.digamma(degrees / 2) + np.log(degrees / 2)
    spread = e.var(ddof=1) - np.mean(special.polygamma(1, degrees / 2))
    if spread <= 0:
        return math.exp(e.mean()), math.inf
    half = optimize.brentq(lambda x: special.polygamma(1, x) - spread, 1e-6, 1e9)
    return math.exp(e.mean() + special.digamma(half) - math.log(half)), 2 * half


def test_the_fit_is_limmas_also_for_unlike_numbers_of_seeds():
    """Variance and freedom, of 40 comparisons with five seeds, 30 with ten and two with two."""
    source = np.random.default_rng(4)
    samples = [row for count, seeds in ((40, 5), (30, 10), (2, 2)) for row in drawn(count, seeds, 0.03, 5, source)]
    found = scatter_of(samples)
    variances = np.array([row.var(ddof=1) for row in samples])
    expected = limma(variances, np.array([len(row) - 1 for row in samples]))
    assert (found.variance, found.freedom) == pytest.approx(expected, rel=1e-6)


def test_logarithms_of_the_fitted_distribution_have_the_moments_that_were_seen():
    """Mean and variance of log(s₀²·F) by numerical integration of scipy's density."""
    samples = drawn(60, 8, 2.5, 6, np.random.default_rng(1))
    found = scatter_of(samples)
    fitted = stats.f(7, found.freedom)

    def moment(power):
        return integrate.quad(lambda u: u**power * math.exp(u) * fitted.pdf(math.exp(u)), -40, 40, limit=400)[0]

    logs = np.log(samples.var(axis=1, ddof=1))
    assert moment(1) + math.log(found.variance) == pytest.approx(logs.mean(), rel=1e-6)
    assert moment(2) - moment(1) ** 2 == pytest.approx(logs.var(ddof=1), rel=1e-6)


def test_what_many_comparisons_were_drawn_with_is_found_again():
    """Within a few percent; and the most likely parameters by scipy are near."""
    samples = drawn(20_000, 6, 0.5, 8, np.random.default_rng(2))
    found = scatter_of(samples)
    assert found.variance == pytest.approx(0.5, rel=0.03)
    assert found.freedom == pytest.approx(8, rel=0.08)
    variances = samples.var(axis=1, ddof=1)[:2000]
    some = scatter_of(samples[:2000])

    def unlikely(logs):
        return -stats.f(5, math.exp(logs[1]), scale=math.exp(logs[0])).logpdf(variances).sum()

    best = optimize.minimize(unlikely, (0.0, 1.0), method="Nelder-Mead").x
    assert np.exp(best) == pytest.approx([some.variance, some.freedom], rel=0.25)


def test_too_few_equal_and_constant_samples():
    """Two say nothing; variances more alike than chance are one; those without scatter do not count."""
    assert scatter_of([]) == scatter_of([[1.0, 2.0], [1.0, 3.0]]) == UNKNOWN
    same = [[0.0, 1.0, 2.0, 3.0], [5.0, 4.0, 3.0, 2.0], [1.0, 3.0, 0.0, 2.0]]
    found = scatter_of(same)
    assert found.freedom == math.inf
    assert found.variance == pytest.approx(5 / 3 * math.exp(math.log(1.5) - special.digamma(1.5)))
    assert scatter_of([*same, [0.1] * 4, [0.7 - 0.6, 0.5 - 0.4, 0.4 - 0.3, 0.3 - 0.2], [1.0]]) == found
    assert scatter_of(same[: FEWEST_VARIANCES - 1]) == UNKNOWN


def test_variances_are_drawn_towards_the_common_one():
    """(d₀·s₀² + d·s²) / (d₀ + d), with as many degrees of freedom; by nothing, and by everything."""
    own = np.array([1.0, 4.0])
    shrunk, freedom = Scatter(2.0, 4.0).shrunk(own, 6)
    assert (shrunk.tolist(), freedom) == (pytest.approx([1.4, 3.2]), 10.0)
    assert UNKNOWN.shrunk(own, 6)[0].tolist() == [1.0, 4.0]
    shrunk, freedom = Scatter(2.0, math.inf).shrunk(own, 6)
    assert (shrunk.tolist(), freedom) == ([2.0, 2.0], math.inf)


@pytest.mark.parametrize("x", [1e-3, 0.1, 0.5, 1.0, 7.0, 1e3, 1e6])
def test_the_inverse_of_the_trigamma_function(x):
    """ψ′ of scipy, and back."""
    assert trigamma_inverse(float(special.polygamma(1, x))) == pytest.approx(x, rel=1e-8)


def test_rounding_is_no_scatter():
    """Five differences of a tenth that floating point tells apart; a billionth would count."""
    tenths = [0.7 - 0.6, 0.5 - 0.4, 0.9 - 0.8, 0.3 - 0.2, 0.4 - 0.3]
    assert np.var(tenths) > 0
    assert variances_of(np.array([tenths, [0.1, 0.1, 0.1, 0.1, 0.1 + 1e-8]]))[0] == 0
    assert variances_of(np.array([[0.1, 0.1, 0.1, 0.1, 0.1 + 1e-8]]))[0] > 0
