"""Masks are exact for any scores, and tickets travel without leaks."""

from __future__ import annotations

import json
import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from safetensors.torch import save_file

from ticketbench.errors import ScoreError, TicketError
from ticketbench.masks.scopes import SCOPES
from ticketbench.masks.ticket import Ticket, collapsed_layers, density_of, keep_top, mask_from_scores

TIED = st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0])
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
SCORES = st.lists(st.one_of(TIED, FINITE), min_size=1, max_size=40)
LAYERS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=4)


def best(scores: list[float], count: int, allowed: list[int]) -> set[int]:
    """The places of the highest scores, the lower place first among equals."""
    return set(sorted(allowed, key=lambda place: (-scores[place], place))[:count])


def places(mask: torch.Tensor) -> set[int]:
    """Where a mask is True."""
    return set(mask.reshape(-1).nonzero().squeeze(1).tolist())


@settings(deadline=None)
@given(SCORES, st.data())
def test_keep_top_keeps_the_highest_scores_and_breaks_ties_by_index(scores: list[float], data: DataObject):
    """Whatever the scores, exactly the places of a stable sort are kept."""
    count = data.draw(st.integers(0, len(scores)))
    mask = keep_top(torch.tensor(scores), count)
    assert mask.dtype == torch.bool
    assert places(mask) == best(scores, count, list(range(len(scores))))


@settings(deadline=None)
@given(SCORES, st.data())
def test_keep_top_chooses_among_the_allowed_only(scores: list[float], data: DataObject):
    """A place outside `allowed` is never kept, however high its score."""
    allowed = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    inside = [place for place, is_allowed in enumerate(allowed) if is_allowed]
    count = data.draw(st.integers(0, len(inside)))
    assert places(keep_top(torch.tensor(scores), count, torch.tensor(allowed))) == best(scores, count, inside)


def test_keep_top_keeps_the_shape_and_counts_along_the_flat_index():
    """Among equal scores of a 2x3 tensor the first four are those of the first row and one more."""
    expected = torch.tensor([[True, True, True], [True, False, False]])
    assert keep_top(torch.ones(2, 3), 4).equal(expected)


def test_keep_top_tells_apart_what_float32_could_not():
    """Two float64 scores that round to one float32 are ranked as they are."""
    scores = torch.tensor([1.0, 1.0 + 1e-12], dtype=torch.float64)
    assert keep_top(scores, 1).tolist() == [False, True]


def test_keep_top_refuses_more_than_there_are():
    """Four of three cannot be kept, nor two of one that is allowed."""
    with pytest.raises(TicketError, match="cannot keep 4 of 3"):
        keep_top(torch.ones(3), 4)
    with pytest.raises(TicketError, match="cannot keep 2 of 1"):
        keep_top(torch.ones(3), 2, torch.tensor([False, True, False]))


def drawn(data: DataObject, shapes: list[tuple[int, int]], partial: bool) -> tuple[dict, dict]:
    """Scores and current masks of some layers."""
    scores, current = {}, {}
    for at, shape in enumerate(shapes):
        size = math.prod(shape)
        values = data.draw(st.lists(st.one_of(TIED, FINITE), min_size=size, max_size=size))
        alive = data.draw(st.lists(st.booleans(), min_size=size, max_size=size)) if partial else [True] * size
        scores[f"layer{at}"] = torch.tensor(values).view(shape)
        current[f"layer{at}"] = torch.tensor(alive).view(shape)
    return scores, current


@settings(deadline=None)
@given(LAYERS, st.data())
def test_a_global_mask_is_one_ranking_over_all_layers_within_the_current_mask(shapes, data: DataObject):
    """The layers laid end to end are ranked as one tensor; what is pruned stays pruned."""
    scores, current = drawn(data, shapes, partial=True)
    flat = torch.cat([score.reshape(-1) for score in scores.values()]).tolist()
    alive = sorted(places(torch.cat([mask.reshape(-1) for mask in current.values()])))
    count = data.draw(st.integers(0, len(alive)))
    mask = mask_from_scores(scores, current, count)
    assert {name: part.shape for name, part in mask.items()} == {name: part.shape for name, part in scores.items()}
    assert places(torch.cat([part.reshape(-1) for part in mask.values()])) == best(flat, count, alive)


@settings(deadline=None)
@given(LAYERS, st.sampled_from(SCOPES), st.data())
def test_every_scope_keeps_exactly_as_many_as_asked_and_the_best_of_each_layer(shapes, scope: str, data: DataObject):
    """The total is exact, and within a layer nothing dropped scores above something kept."""
    scores, current = drawn(data, shapes, partial=False)
    count = data.draw(st.integers(0, sum(math.prod(shape) for shape in shapes)))
    mask = mask_from_scores(scores, current, count, scope)
    assert sum(int(part.sum()) for part in mask.values()) == count
    for name, part in mask.items():
        values = scores[name].reshape(-1).tolist()
        assert places(part) == best(values, int(part.sum()), list(range(len(values))))


def test_scores_of_different_types_are_ranked_without_rounding():
    """A float64 score just above a float32 one wins although both round to the same float32."""
    scores = {"a": torch.tensor([1.0]), "b": torch.tensor([1.0 + 1e-12], dtype=torch.float64)}
    current = {name: torch.ones(1, dtype=torch.bool) for name in scores}
    mask = mask_from_scores(scores, current, 1)
    assert (mask["a"].item(), mask["b"].item()) == (False, True)


def test_a_mask_cannot_grow():
    """Three weights cannot be kept where two are left, in any scope."""
    scores = {"a": torch.ones(2, 2)}
    current = {"a": torch.tensor([[True, True], [False, False]])}
    for scope in SCOPES:
        with pytest.raises(TicketError, match="2"):
            mask_from_scores(scores, current, 3, scope)


def test_a_layer_that_an_earlier_mask_starved_keeps_what_it_has():
    """Layerwise wants two of each four; one layer has only one left, so the other keeps three."""
    scores = {"a": torch.ones(2, 2), "b": torch.ones(2, 2)}
    current = {"a": torch.tensor([[True, False], [False, False]]), "b": torch.ones(2, 2, dtype=torch.bool)}
    mask = mask_from_scores(scores, current, 4, "layerwise")
    assert {name: part.tolist() for name, part in mask.items()} == {
        "a": [[True, False], [False, False]],
        "b": [[True, True], [True, False]],
    }


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4),
    st.lists(st.floats(0.02, 0.98), min_size=1, max_size=8),
    st.sampled_from(SCOPES),
)
def test_round_after_round_every_scope_stays_exact(shapes, shares, scope):
    """Whatever earlier rounds left, a further one keeps exactly its count, inside the mask before it."""
    source = torch.Generator().manual_seed(1)
    mask = {str(at): torch.ones(shape, dtype=torch.bool) for at, shape in enumerate(shapes)}
    for share in shares:
        left = sum(int(part.sum()) for part in mask.values())
        count = int(share * left)
        scores = {name: torch.rand(part.shape, generator=source) for name, part in mask.items()}
        following = mask_from_scores(scores, mask, count, scope)
        assert sum(int(part.sum()) for part in following.values()) == count
        assert not any(bool((following[name] & ~mask[name]).any()) for name in mask)
        mask = following


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_refused(scope: str, wrong: float):
    """The layer and the number of wrong scores are named."""
    scores = {"a": torch.ones(2, 2), "b": torch.tensor([[1.0, wrong]])}
    current = {name: torch.ones_like(part, dtype=torch.bool) for name, part in scores.items()}
    with pytest.raises(ScoreError, match=re.escape("1 of 2 scores of 'b' are not finite")):
        mask_from_scores(scores, current, 2, scope)


def test_the_score_of_a_pruned_weight_does_not_matter():
    """A weight that is already gone may score NaN."""
    scores = {"a": torch.tensor([[1.0, math.nan, 2.0]])}
    mask = mask_from_scores(scores, {"a": torch.tensor([[True, False, True]])}, 1)
    assert mask["a"].tolist() == [[False, False, True]]


def test_a_missing_score_is_refused():
    """A scorer that forgets a layer learns which."""
    current = {"a": torch.ones(2, 2, dtype=torch.bool), "b": torch.ones(2, 2, dtype=torch.bool)}
    with pytest.raises(ScoreError, match="no score for 'b'; scored: a"):
        mask_from_scores({"a": torch.ones(2, 2)}, current, 2)


def test_a_score_of_another_shape_is_refused():
    """As many scores in another shape are not the same scores."""
    with pytest.raises(ScoreError, match=re.escape("the score of 'a' has shape (4,), not (2, 2)")):
        mask_from_scores({"a": torch.ones(4)}, {"a": torch.ones(2, 2, dtype=torch.bool)}, 2)


def test_density_and_collapse_are_read_off_the_mask():
    """Three of eight weights are kept, and the second layer has none."""
    mask = {"a": torch.tensor([True, True, True, False]), "b": torch.zeros(4, dtype=torch.bool)}
    assert density_of(mask) == 0.375
    assert collapsed_layers(mask) == ["b"]


def ticket() -> Ticket:
    """A ticket with a masked weight, a bias without a mask, and values that a text would round."""
    mask = {"layer.weight": torch.tensor([[True, False], [False, True]])}
    weights = {"layer.weight": torch.tensor([[0.1, 0.0], [0.0, -1e-30]]), "layer.bias": torch.tensor([1 / 3, math.pi])}
    return Ticket(mask, weights, {"key": "abc", "density": 0.5, "what": "Erdős"})


def test_a_saved_ticket_comes_back_bit_for_bit(tmp_path):
    """Masks, weights and what it says about itself survive the file, and nothing else is left in the folder."""
    path = tmp_path / "one.safetensors"
    before = ticket()
    before.save(path)
    after = Ticket.load(path)
    assert after.about == before.about
    assert after.mask.keys() == before.mask.keys()
    assert after.weights.keys() == before.weights.keys()
    assert all(
        after.mask[name].dtype == torch.bool and after.mask[name].equal(before.mask[name]) for name in after.mask
    )
    assert all(
        after.weights[name].view(torch.int32).equal(before.weights[name].view(torch.int32)) for name in after.weights
    )
    assert [file.name for file in tmp_path.iterdir()] == ["one.safetensors"]


def test_a_leaking_ticket_is_not_saved(tmp_path):
    """A masked weight that is not zero is counted and named, and no file is written."""
    leaking = ticket()
    leaking.weights["layer.weight"][0, 1] = 1e-20
    with pytest.raises(TicketError, match=re.escape("1 weights of 'layer.weight' are masked but not zero")):
        leaking.save(tmp_path / "leak.safetensors")
    assert list(tmp_path.iterdir()) == []


def written(path, tensors: dict, about: str = "{}", form: str = "ticketbench-ticket-1"):
    """A safetensors file of somebody else's making."""
    save_file(tensors, path, metadata={"format": form, "about": about})
    return path


def test_a_leaking_file_is_not_a_ticket(tmp_path):
    """A file from outside is checked as strictly as our own."""
    tensors = {"a": torch.ones(2, 2), "mask:a": torch.tensor([[True, False], [True, True]])}
    with pytest.raises(TicketError, match="1 weights of 'a' are masked but not zero"):
        Ticket.load(written(tmp_path / "leak.safetensors", tensors))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"mask:a": torch.ones(2, dtype=torch.bool)}, "masks 'a', which it has no weight for"),
        ({"a": torch.zeros(2), "mask:a": torch.ones(3, dtype=torch.bool)}, "the mask of 'a' does not fit"),
        ({"a": torch.zeros(2), "mask:a": torch.ones(2)}, "the mask of 'a' does not fit"),
    ],
)
def test_a_file_whose_masks_do_not_fit_is_not_a_ticket(tmp_path, tensors: dict, message: str):
    """A mask without its weight, of another shape, or of numbers instead of bools."""
    with pytest.raises(TicketError, match=message):
        Ticket.load(written(tmp_path / "odd.safetensors", tensors))


def test_a_safetensors_file_of_another_format_is_not_a_ticket(tmp_path):
    """Weights alone, or a later format, are refused by name."""
    tensors = {"a": torch.zeros(2)}
    save_file(tensors, tmp_path / "weights.safetensors")
    written(tmp_path / "later.safetensors", tensors, form="ticketbench-ticket-9")
    for name in ("weights.safetensors", "later.safetensors"):
        with pytest.raises(TicketError, match=f"{name} is not a ticket of format ticketbench-ticket-1"):
            Ticket.load(tmp_path / name)


@pytest.mark.parametrize("about", ["{", "[1]", "7"])
def test_a_ticket_whose_metadata_is_no_table_is_refused(tmp_path, about: str):
    """What a ticket says about itself is a JSON table, or the file is not a ticket."""
    path = written(tmp_path / "odd.safetensors", {"a": torch.zeros(2)}, about=about)
    with pytest.raises(TicketError, match="is not a ticket"):
        Ticket.load(path)


def test_files_that_are_not_safetensors_are_refused(tmp_path):
    """A text, a pickle of torch, an empty file, a cut file and a missing one: each says it is not a ticket."""
    (tmp_path / "text").write_text(json.dumps({"mask": 1}), encoding="utf-8")
    torch.save({"a": torch.zeros(2)}, tmp_path / "pickle")
    (tmp_path / "empty").write_bytes(b"")
    ticket().save(tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-8])
    for name in ("text", "pickle", "empty", "cut", "missing"):
        with pytest.raises(TicketError, match=f"{name} is not a ticket"):
            Ticket.load(tmp_path / name)


@pytest.mark.parametrize("shape", [(), (0, 5)])
def test_a_mask_without_entries_is_no_ticket(shape, tmp_path):
    """A foreign file may hold anything of the right type; what looks at layers need not ask."""
    ticket = Ticket({"a": torch.ones(shape, dtype=torch.bool)}, {"a": torch.ones(shape)})
    with pytest.raises(TicketError, match="the mask of 'a' has no entries"):
        ticket.check()
