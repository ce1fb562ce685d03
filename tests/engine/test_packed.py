"""Values as plain data: every bit comes back, and what is mostly zero takes little."""

from __future__ import annotations

import json
import math

import pytest
import torch

from ticketbench.engine.checkpoint import put_together, taken_apart
from ticketbench.engine.packed import UnpackableError, as_plain, bytes_of, from_plain, packed, unpacked
from ticketbench.plugin.trial import Companion, Snapshot, Spent

CPU = torch.device("cpu")


def through_a_file(plain):
    """As a file holds it: words, and tensors beside."""
    tensors: dict[str, torch.Tensor] = {}
    words = json.dumps(taken_apart(plain, tensors))
    return put_together(json.loads(words), tensors)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32]
)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("shape", [(), (3,), (17, 33), (0, 5)])
def test_every_bit_of_a_tensor_comes_back(dtype, share, shape):
    """Sparse or dense, negative zeros and what is not finite included."""
    source = torch.Generator().manual_seed(0)
    tensor = (torch.randn(shape, generator=source) * 100).to(dtype)
    tensor = tensor.where(torch.rand(shape, generator=source) < share, torch.zeros((), dtype=dtype))
    if dtype.is_floating_point and tensor.numel() > 5:
        tensor.view(-1)[:4] = torch.tensor([-0.0, math.inf, -math.inf, math.nan]).to(dtype)
    found = unpacked(through_a_file(packed(tensor)), CPU)
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    size = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    assert found.view(size).equal(tensor.view(size))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 300, 1001])
def test_masks_take_a_bit_a_place(count):
    """All places come back; from 256 on there are eight a byte."""
    mask = torch.rand(count, generator=torch.Generator().manual_seed(1)) < 0.5
    assert unpacked(through_a_file(packed(mask)), CPU).equal(mask)
    if count >= 256:
        assert packed(mask)["places"].nbytes == -(-count // 8)


def test_a_tenth_of_the_weights_takes_little():
    """1000 of 10,000 values in float32: 4,000 bytes and 1,250 for their places."""
    weights = torch.zeros(10_000)
    weights[::10] = 1.5
    assert bytes_of([packed(weights)["places"], packed(weights)["values"]]) == 4000 + 1250


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "word", -math.inf, {"a": 1, "b": {"c": None}}])
def test_plain_values_come_back(value):
    """With their types."""
    found = from_plain(through_a_file(as_plain(value)), CPU)
    assert (found, type(found)) == (value, type(value))


def test_what_a_trial_hands_out_comes_back():
    """Snapshots, companions, costs."""
    weights, mask = {"w": torch.arange(6.0).view(2, 3)}, {"w": torch.ones(2, 3, dtype=torch.bool)}
    snapshot = from_plain(through_a_file(as_plain(Snapshot(weights, {"n": torch.tensor(4)}, 7))), CPU)
    assert snapshot.weights["w"].equal(weights["w"])
    assert (int(snapshot.buffers["n"]), snapshot.step) == (4, 7)
    companion = from_plain(through_a_file(as_plain({"start": Companion(weights, {}, mask)})), CPU)["start"]
    assert companion.mask["w"].equal(mask["w"])
    assert from_plain(as_plain(Spent(1.0, 2, 3.5, 0.25)), CPU) == Spent(1.0, 2, 3.5, 0.25)


@pytest.mark.parametrize("value", [torch.ones(2, requires_grad=True), object(), [1], {3: 1}, torch.nn.Linear(1, 1)])
def test_what_is_no_plain_data_is_refused(value):
    """Graphs, modules, objects, keys that are no names."""
    with pytest.raises(UnpackableError):
        as_plain(value)
