"""The images that a network takes: what the models for larger images share."""

from __future__ import annotations

from ticketbench import OptionError, Shapes


def image_of(shapes: Shapes, smallest: int, what: str) -> tuple[int, int, int]:
    """Channels, height and width of a task's images, of which `what` needs `smallest` pixels a side."""
    if len(shapes.inputs) != 3:
        raise OptionError(f"{what} takes images (channels, height, width), not inputs of shape {shapes.inputs}")
    channels, height, width = shapes.inputs
    if min(height, width) < smallest:
        raise OptionError(
            f"{what} cannot take images of {height}×{width} pixels: it halves them until less than a pixel would be"
            f" left. It takes at least {smallest} pixels a side."
        )
    return channels, height, width
