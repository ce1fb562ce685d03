"""Mazes: mark the path from green to red, a reasoning task whose difficulty is the size."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Shapes, Sizes, Split, Task, TicketbenchError, generator, option, seed_of

START, END, FREE = (0, 1, 0), (1, 0, 0), (1, 1, 1)
PATIENCE = 50
"""Draws a maze may take, on average, until it is new."""


@dataclass(frozen=True)
class Mazes(Task):
    """A random depth-first spanning tree over ((n+1)/2)² cells; the target marks the path, both ends included.

    The tree is rooted at the start cell; start and end are distinct and uniform, so the path is unique. Drawn as a
    grid with walls, n+2 a side: start [0,1,0], end [1,0,0], free [1,1,1], wall 0; every pixel doubled; one pixel of
    zeros around: the image has side 2n+6 (scale 1 leaves out the doubling: a quarter of the work). Inputs (3, H, W),
    targets (H, W) of 0 and 1. All mazes of a size are distinct, also between the splits. The loss is the
    cross-entropy over the pixels that are not wall; a prediction is multiplied by the input's maximum over
    channels, and a maze is right if every pixel is.

    The choosing split, on which a budget of judging may be chosen, are mazes that come after those of the test.

    With `folder` the official files are read instead: maze_data_{train|test}_{n}/inputs.npy and solutions.npy. Of the
    larger sizes these have test mazes alone: `test_examples` has to leave some of them to choose on.
    """

    name = "mazes"
    summary = "mark the only path through a random maze"
    reference = "Schwarzschild et al. 2021 (arXiv 2108.06011), section 2.2"
    cross_entropy = "shares"

    size: int = option(9, "the official size n: (n+1)/2 cells a side", at_least=3)
    examples: int = option(50_000, "training and validation mazes", at_least=2)
    test_examples: int = option(0, "test mazes; 0 for the official number of the size", at_least=0)
    validation: float = option(0.2, "share of the training mazes set aside to validate", at_least=0, at_most=0.9)
    data_seed: int = option(42, "which mazes are drawn and how they are split", at_least=0)
    scale: int = option(2, "pixels a side of a grid square; the official mazes have 2", at_least=1)
    folder: str = option("", "where the official files are; empty to generate")
    choosing_examples: int = option(
        0, "mazes to choose a budget on; 0 for a fifth of the test mazes, none if those are a whole file", at_least=0
    )

    def __post_init__(self) -> None:
        if self.size % 2 == 0:
            raise ValueError(f"size {self.size} is even; maze sizes are odd")

    def shapes(self) -> Shapes:
        """RGB in, two classes a pixel out."""
        side = self.scale * (self.size + 2) + 2
        return Shapes((3, side, side), 2)

    def sizes(self) -> Sizes:
        """How many mazes each split has, as the options say."""
        held_out = int(self.examples * self.validation)
        return Sizes(self.examples - held_out, held_out, self.tests, self.chosen_on)

    @property
    def tests(self) -> int:
        """How many mazes the test split has: officially 10,000 up to size 17, and 1,000 of the larger ones."""
        return self.test_examples or (10_000 if self.size <= 17 else 1_000)

    @property
    def chosen_on(self) -> int:
        """How many mazes the choosing split has."""
        whole_file = self.folder and not self.test_examples
        return 0 if whole_file else self.choosing_examples or math.ceil(self.tests / 5)

    def training(self) -> tuple[Split, Split]:
        """The first mazes, split at random once and for all."""
        both = self.official("train", self.examples) if self.folder else self.drawn(0, self.examples)
        order = torch.randperm(self.examples, generator=generator(self.data_seed, "mazes split"))
        cut = self.sizes().train
        return (
            Split(both.inputs[order[:cut]], both.targets[order[:cut]]),
            Split(both.inputs[order[cut:]], both.targets[order[cut:]]),
        )

    def test(self) -> Split:
        """The mazes after those of training."""
        if self.folder:
            return self.official("test", self.tests)
        return self.drawn(self.examples, self.examples + self.tests)

    def choosing(self) -> Split:
        """The mazes after those of the test, of the same file where there are files."""
        if self.folder:
            both = self.official("test", self.tests + self.chosen_on)
            return Split(both.inputs[self.tests :], both.targets[self.tests :])
        return self.drawn(self.examples + self.tests, self.examples + self.tests + self.chosen_on)

    def drawn(self, first: int, last: int) -> Split:
        """Some of the mazes that the options stand for, as images."""
        source = random.Random(seed_of(self.data_seed, "mazes", self.size))
        side = (self.size + 1) // 2
        trees, paths = [], []
        for number, (tree, path) in enumerate(distinct(side, source, last)):
            if number >= first:
                trees.append(tree)
                paths.append(path)
        return paint(side, trees, paths, self.scale)

    def official(self, split: str, count: int) -> Split:
        """The first examples of the official files."""
        place = Path(self.folder).expanduser() / f"maze_data_{split}_{self.size}"
        found = []
        for name, shape in (
            ("inputs.npy", (3, *self.shapes().inputs[1:])),
            ("solutions.npy", self.shapes().inputs[1:]),
        ):
            try:
                array = np.lib.format.open_memmap(place / name, mode="r")
            except (OSError, ValueError) as error:
                raise TicketbenchError(f"task 'mazes' cannot read {place / name}: {error}") from None
            if array.shape[1:] != shape or len(array) < count:
                wanted = (count, *shape)
                raise TicketbenchError(
                    f"{place / name} has shape {array.shape}; mazes of size {self.size} need {wanted}"
                )
            found.append(torch.from_numpy(np.array(array[:count])))
        return Split(found[0].float(), found[1].long())

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Mean cross-entropy over the pixels where some channel is positive."""
        open_bhw = (inputs.amax(dim=1) > 0).float()
        losses_bhw = functional.cross_entropy(outputs, targets, reduction="none")
        return (losses_bhw * open_bhw).sum() / open_bhw.sum()

    def shares(self, targets: Tensor, inputs: Tensor) -> Tensor:
        """The same for every open pixel, and nothing for a wall."""
        open_bhw = (inputs.amax(dim=1) > 0).float()
        return open_bhw / open_bhw.sum()

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """Whole mazes right, and open pixels right."""
        seen_bhw = inputs.amax(dim=1)
        wrong_bhw = (outputs.argmax(dim=1) * seen_bhw.long() != targets).float()
        open_bhw = (seen_bhw > 0).float()
        pixels = 1 - (wrong_bhw * open_bhw).flatten(1).sum(dim=1) / open_bhw.flatten(1).sum(dim=1)
        return {"accuracy": (wrong_bhw.flatten(1).amax(dim=1) == 0).float(), "pixel_accuracy": pixels}


def distinct(side: int, source: random.Random, count: int) -> Iterator[tuple[list[int], list[int]]]:
    """Mazes as (parent of each cell, path from end to start), none twice."""
    beside = neighbours(side)
    known: set[bytes] = set()
    cells = side * side
    for _ in range(count):
        for _ in range(PATIENCE * cells):
            start, end = source.sample(range(cells), 2)
            parents = spanning_tree(start, beside, source)
            label = np.array([*parents, end], dtype=np.int16).tobytes()
            if label not in known:
                break
        else:
            raise TicketbenchError(f"there are hardly more than {len(known)} distinct mazes of {side}×{side} cells")
        known.add(label)
        path = [end]
        while path[-1] != start:
            path.append(parents[path[-1]])
        yield parents, path


def neighbours(side: int) -> list[tuple[int, ...]]:
    """The cells beside each cell; cells are numbered row by row."""
    return [
        tuple(
            row * side + column
            for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
            if 0 <= row < side and 0 <= column < side
        )
        for y in range(side)
        for x in range(side)
    ]


def spanning_tree(start: int, beside: list[tuple[int, ...]], source: random.Random) -> list[int]:
    """Depth-first: go to a random unvisited neighbour, or back where there is none. The start is its own parent."""
    parents = [-1] * len(beside)
    parents[start] = start
    here, left = start, len(beside) - 1
    while left:
        fresh = [cell for cell in beside[here] if parents[cell] < 0]
        if not fresh:
            here = parents[here]
            continue
        following = fresh[int(source.random() * len(fresh))]
        parents[following] = here
        here = following
        left -= 1
    return parents


def paint(side: int, trees: list[list[int]], paths: list[list[int]], scale: int) -> Split:
    """Trees and paths as images and targets."""
    count, width = len(trees), 2 * side + 1
    parents_nc = np.array(trees, dtype=np.int64).reshape(count, side * side)
    row_c, column_c = np.divmod(np.arange(side * side), side)
    free_nhw = np.zeros((count, width, width), dtype=bool)
    free_nhw[:, 2 * row_c + 1, 2 * column_c + 1] = True
    # the wall between a cell and its parent lies at the sum of their coordinates plus one
    maze_n1 = np.arange(count)[:, None]
    free_nhw[maze_n1, row_c + row_c[parents_nc] + 1, column_c + column_c[parents_nc] + 1] = True
    image_nhwc = free_nhw[..., None] * np.array(FREE, dtype=np.uint8)
    mark_nhw = np.zeros((count, width, width), dtype=np.uint8)
    for number, path in enumerate(paths):
        rows, columns = row_c[path], column_c[path]
        mark_nhw[number, 2 * rows + 1, 2 * columns + 1] = 1
        mark_nhw[number, rows[1:] + rows[:-1] + 1, columns[1:] + columns[:-1] + 1] = 1
        image_nhwc[number, 2 * rows[-1] + 1, 2 * columns[-1] + 1] = START
        image_nhwc[number, 2 * rows[0] + 1, 2 * columns[0] + 1] = END
    inputs = framed(torch.from_numpy(image_nhwc).permute(0, 3, 1, 2), scale)
    return Split(inputs.float(), framed(torch.from_numpy(mark_nhw), scale).long())


def framed(image: Tensor, scale: int) -> Tensor:
    """Every pixel `scale` times as large, and one pixel of zeros around."""
    larger = image.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1)
    return functional.pad(larger, (1, 1, 1, 1))
