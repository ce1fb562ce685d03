"""The tape of layers in a row, so that models made of PyTorch's own need not write one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ticketbench.sparse.tape import Tape, Value


def sequential_tape(module: nn.Module, inputs: Sequence[int]) -> Tape | None:
    """Of an `nn.Sequential` of layers that the machine has, for an example of this shape; None of any other module."""
    if type(module) is not nn.Sequential:
        return None
    tape = Tape.of(module)
    value, flat = tape.inputs(inputs), len(inputs) == 1
    layers = [(name, layer) for name, layer in module.named_children() if not isinstance(layer, nn.Identity)]
    for at, (name, layer) in enumerate(layers):
        follows = at + 1 < len(layers) and type(layers[at + 1][1]) is nn.ReLU
        bias = f"{name}.bias" if getattr(layer, "bias", None) is not None else ""
        if type(layer) is nn.Flatten and layer.start_dim == 1 and layer.end_dim == -1:
            flat = True
        elif type(layer) is nn.Linear and flat:
            value = tape.linear(f"{name}.weight", value, bias=bias, relu=follows)
        elif type(layer) in (nn.Conv1d, nn.Conv2d) and not flat and convolves_plainly(layer):
            value = tape.convolution(f"{name}.weight", value, bias=bias, padding=padding_of(layer), relu=follows)
        elif type(layer) is nn.MaxPool2d and not flat and pools_plainly(layer, value):
            value = tape.pool(value)
        elif type(layer) is not nn.ReLU:
            return None
        elif at == 0 or not isinstance(layers[at - 1][1], nn.Linear | nn.Conv1d | nn.Conv2d):
            value = tape.relu(value)
    if not flat:
        return None
    tape.answer(value)
    return tape


def padding_of(layer: nn.Module) -> int:
    """The padding of a plain convolution."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    padding = layer.padding[0]
    assert isinstance(padding, int)
    return padding


def convolves_plainly(layer: nn.Module) -> bool:
    """Whether a convolution has a stride of 1, the same padding on all sides, and neither dilation nor groups."""
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    plain = set(layer.stride) == {1} and set(layer.dilation) == {1} and layer.groups == 1
    return (
        plain and layer.padding_mode == "zeros" and not isinstance(layer.padding, str) and len(set(layer.padding)) == 1
    )


def pools_plainly(layer: nn.Module, value: Value) -> bool:
    """Whether a pooling takes 2×2 windows that do not overlap, of an image."""
    assert isinstance(layer, nn.MaxPool2d)
    sizes = (layer.kernel_size, layer.stride)
    plain = all(size in (2, (2, 2)) for size in sizes) and layer.padding == 0 and layer.dilation == 1
    return plain and not layer.ceil_mode and value.lines > 1
