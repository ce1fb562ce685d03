"""Image classification: what the tasks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Split, Task, generator

MARGIN = 4
"""Black pixels around an image before it is cropped."""
CROP_AND_FLIP_DRAWS = 3


class ImageClassification(Task):
    """One class an image: cross-entropy and accuracy."""

    cross_entropy = "mean"

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The cross-entropy of the classes, the mean over the batch."""
        return functional.cross_entropy(outputs, targets)

    def losses(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The same of every member, in one call."""
        each = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
        return each.view(targets.shape).mean(dim=1)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """Accuracy: 1 for an image whose class has the highest output, 0 for any other."""
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


def normalised(pixels_bchw: Tensor, mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
    """Bytes as (x/255 − mean) / deviation, channel by channel."""
    centre, scale = torch.tensor(mean).view(-1, 1, 1), torch.tensor(deviation).view(-1, 1, 1)
    return (pixels_bchw.float() / 255).sub_(centre).div_(scale)


def black(mean: Sequence[float], deviation: Sequence[float]) -> tuple[float, ...]:
    """What a black pixel becomes when it is normalised, a number a channel."""
    pixel = torch.zeros(1, len(mean), 1, 1, dtype=torch.uint8)
    return tuple(normalised(pixel, mean, deviation).flatten().tolist())


def crop_and_flip(inputs_bchw: Tensor, uniforms_b3: Tensor, outside: Sequence[float]) -> Tensor:
    """A crop of the image with a margin of 4 around it, at one of 9 × 9 offsets, mirrored half of the time.

    The uniform numbers are the offset down, the offset across, and the flip. What lies in the margin has the
    values `outside`, one a channel: the usual margin is black before normalisation.
    """
    channels, height, width = inputs_bchw.shape[1:]
    places = 2 * MARGIN + 1
    shifts_b2 = (uniforms_b3[:, :2] * places).long().clamp(max=places - 1) - MARGIN
    down_h = torch.arange(height, device=inputs_bchw.device)
    across_w = torch.arange(width, device=inputs_bchw.device)
    rows_bh = down_h + shifts_b2[:, :1]
    columns_bw = torch.where(uniforms_b3[:, 2:] < 0.5, across_w.flip(0), across_w) + shifts_b2[:, 1:]
    inside_bhw = ((rows_bh >= 0) & (rows_bh < height))[:, :, None] & ((columns_bw >= 0) & (columns_bw < width))[:, None]
    pixel_bhw = rows_bh.clamp(0, height - 1)[:, :, None] * width + columns_bw.clamp(0, width - 1)[:, None]
    index_bcp = pixel_bhw.flatten(1)[:, None].expand(-1, channels, -1)
    moved_bchw = inputs_bchw.flatten(2).gather(2, index_bcp).view_as(inputs_bchw)
    margin_c11 = torch.cat([inputs_bchw.new_full((1,), value) for value in outside]).view(-1, 1, 1)
    return torch.where(inside_bhw[:, None], moved_bchw, margin_c11)


def held_out(both: Split, validation: int, *purpose: object) -> tuple[Split, Split]:
    """Training and validation: a fixed draw of `validation` examples, whatever the cell."""
    order = torch.randperm(len(both), generator=generator(*purpose))
    cut = len(both) - validation
    train, rest = order[:cut], order[cut:]
    return Split(both.inputs[train], both.targets[train]), Split(both.inputs[rest], both.targets[rest])
