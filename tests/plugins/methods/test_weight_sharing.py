"""Soft weight-sharing against steps written out with torch's own distributions."""

from __future__ import annotations

import pytest
import torch
from plainly import Plainly
from stepwise import NAMES, exact_trial
from torch.distributions import Categorical, MixtureSameFamily, Normal

from ticketbench import OptionError
from ticketbench.testing import carry_out, check_method, run_method
from ticketbench_methods.weight_sharing import DEVIATIONS, LOGITS, MEANS, SoftWeightSharing


def test_training_equals_steps_written_out(tiny_suite, cells_of, trial_of):
    """10 steps plainly, 20 under a mixture of four, the bound included; what is best explained by others is left."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "magnitude")
    method = SoftWeightSharing(strength=0.5, pace=0.3, begin=0.25, components=3, spike=0.7, share=True)
    requests = method.draw(trial)
    plain = Plainly.of(trial, {})
    carry_out(trial, request := next(requests))
    assert (request.until, request.regime) == (10, None)
    plain.train(10, lambda now, drawn: (now.weights, 0.0))
    flat = torch.cat([plain.weights[name].flatten() for name in NAMES])
    gap = (flat.max() - flat.min()) / 3
    plain.extras = {
        MEANS: flat.min() + gap * torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64),
        DEVIATIONS: (gap / 2).log().repeat(4),
        LOGITS: torch.zeros(3, dtype=torch.float64),
    }
    least = float(gap / 40)

    def parts(now):
        means = torch.cat([torch.zeros(1, dtype=torch.float64), now.extras[MEANS]])
        shares = torch.cat([torch.tensor([0.7], dtype=torch.float64), 0.3 * now.extras[LOGITS].softmax(0)])
        return shares, Normal(means, now.extras[DEVIATIONS].exp().clamp(min=least))

    def seen(now, drawn):
        shares, normals = parts(now)
        every = torch.cat([weight.flatten() for weight in now.weights.values()])
        return now.weights, -0.5 / 24 * MixtureSameFamily(Categorical(shares), normals).log_prob(every).sum()

    carry_out(trial, request := next(requests))
    assert request.until == 30
    plain.train(30, seen, pace=0.3)
    plain.check(trial, rtol=1e-7)
    with torch.no_grad():
        shares, normals = parts(plain)
        flat = torch.cat([plain.weights[name].flatten() for name in NAMES])
        terms = shares.log() + normals.log_prob(flat.unsqueeze(1))
    worth = terms[:, 1:].max(1).values - terms[:, 0]
    means = plain.extras[MEANS].detach()[terms[:, 1:].argmax(1)]
    assert next(requests, None) is None
    assert [found[2:] for found in trial.findings] == [("own density", int((worth > 0).sum()) / 72)]
    kept = torch.cat([trial.mask[name].flatten() for name in NAMES])
    assert kept.equal(worth >= worth.sort(descending=True).values[35])
    shared = torch.cat([trial.weights[name].flatten() for name in NAMES])
    torch.testing.assert_close(shared, means.where(kept, 0), rtol=1e-6, atol=1e-7)


def test_a_network_that_shares_has_as_many_values_as_components():
    """Judged as it was shared, where nothing is trained after the cut."""
    (found,) = run_method(SoftWeightSharing(share=True, end=1.0, components=5))
    weights = torch.cat([found.weights[name][mask] for name, mask in found.mask.items()])
    assert (found.status, len(weights)) == ("ok", 45)
    assert 1 <= len(weights.unique()) <= 5


def test_an_end_before_the_beginning_is_refused(tiny_suite, cells_of):
    """The suite's reader says so."""
    method = '{ method = { name = "soft_weight_sharing", begin = 0.8 } }'
    with pytest.raises(OptionError, match=r"begin = 0\.8 must be at most end = 0\.75"):
        cells_of(tiny_suite(('{ method = "dense" }', method)))


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(SoftWeightSharing())
