"""Mazes, as pictures: everything is read back from the pixels."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import vmap

from ticketbench import Shapes, Sizes, Split, TicketbenchError
from ticketbench_tasks.mazes import Mazes

Square = tuple[int, int]
SIGNS = {(0, 0, 0): "#", (1, 1, 1): " ", (0, 1, 0): "s", (1, 0, 0): "e"}
SEVERAL = [9, 13, 21]


def splits(task: Mazes) -> list[Split]:
    """Training, validation and test."""
    return [*task.training(), task.test()]


def every(task: Mazes) -> Iterator[tuple[Tensor, Tensor]]:
    """All mazes and their targets."""
    for split in splits(task):
        yield from zip(split.inputs, split.targets, strict=True)


def halved(pixels: Tensor) -> Tensor:
    """An official picture without its margin, a pixel a square: each block of 2×2 pixels must have one colour."""
    inner = pixels[..., 1:-1, 1:-1]
    corners = [inner[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    assert all(torch.equal(corners[0], corner) for corner in corners[1:])
    return corners[0]


def signs(inputs: Tensor) -> list[str]:
    """A maze as text, a sign a square."""
    return ["".join(SIGNS[tuple(map(int, colour))] for colour in row) for row in halved(inputs).permute(1, 2, 0)]


def beside(square: Square, among: set[Square]) -> list[Square]:
    """The squares next to a square."""
    y, x = square
    return [other for other in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)) if other in among]


def breadth_first(free: set[Square], start: Square) -> dict[Square, Square | None]:
    """Every square that can be reached -> the square from which it is first reached."""
    origin: dict[Square, Square | None] = {start: None}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        for following in beside(here, free):
            if following not in origin:
                origin[following] = here
                waiting.append(following)
    return origin


def way_back(origin: dict[Square, Square | None], square: Square) -> list[Square]:
    """From a square to where the search began."""
    path = [square]
    while (before := origin[path[-1]]) is not None:
        path.append(before)
    return path


def read(inputs: Tensor) -> tuple[set[Square], Square, Square]:
    """The free squares, start and end of a picture."""
    text = signs(inputs)
    squares = {sign: [(y, x) for y, row in enumerate(text) for x, at in enumerate(row) if at == sign] for sign in "se "}
    (start,), (end,) = squares["s"], squares["e"]
    return {start, end, *squares[" "]}, start, end


@pytest.mark.parametrize(("size", "side"), [(9, 24), (13, 32), (59, 124)])
def test_the_official_sides(size: int, side: int):
    """Inputs (mazes, 3, side, side) in float32 and targets (mazes, side, side) in int64, as sizes and shapes say."""
    task = Mazes(size=size, examples=4, test_examples=2, validation=0.25)
    assert task.shapes() == Shapes((3, side, side), 2)
    assert task.sizes() == Sizes(3, 1, 2, 1)
    for split, count in zip(splits(task), (3, 1, 2), strict=True):
        assert (split.inputs.shape, split.inputs.dtype) == ((count, 3, side, side), torch.float32)
        assert (split.targets.shape, split.targets.dtype) == ((count, side, side), torch.int64)


def test_the_official_numbers():
    """50,000 mazes to train and validate; to test 10,000 up to size 17 and 1,000 above, unless a number is given."""
    counts = {size: Mazes(size=size).sizes() for size in (9, 17, 19, 59)}
    small, large = Sizes(40_000, 10_000, 10_000, 2_000), Sizes(40_000, 10_000, 1_000, 200)
    assert counts == {9: small, 17: small, 19: large, 59: large}
    assert Mazes(size=59, test_examples=7).sizes().test == 7


@pytest.mark.parametrize("size", [3, 9, 13])
def test_the_layout_of_a_picture(size: int):
    """A black margin, a wall around, one start, one end, cells at the odd squares, pillars at the even ones."""
    for inputs, targets in every(Mazes(size=size, examples=12, test_examples=4)):
        margin = torch.ones(inputs.shape[1:], dtype=torch.bool)
        margin[3:-3, 3:-3] = False
        assert int(inputs[:, margin].count_nonzero()) == int(targets[margin].count_nonzero()) == 0
        text = signs(inputs)
        assert len(text) == size + 2
        assert "#" not in "".join(row[1::2] for row in text[1::2])
        assert set("".join(row[0::2] for row in text[0::2])) == {"#"}
        assert (text := "".join(text)).count("s") == text.count("e") == 1


@pytest.mark.parametrize("size", SEVERAL)
def test_the_target_is_the_only_path(size: int):
    """Free squares form a tree, so there is one path: the marked squares are those that a search finds."""
    for inputs, targets in every(Mazes(size=size, examples=12, test_examples=4)):
        free, start, end = read(inputs)
        passages = sum(len(beside(square, free)) for square in free) // 2
        origin = breadth_first(free, start)
        assert set(origin) == free
        assert passages == len(free) - 1
        path = way_back(origin, end)
        assert {tuple(square) for square in halved(targets).nonzero().tolist()} == set(path)
        assert path[0] == end != start == path[-1]
        assert set(targets.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("size", SEVERAL)
def test_the_tree_is_a_depth_first_one_from_the_start(size: int):
    """Of two cells side by side one lies on the other's way to the start: no other spanning trees have that."""
    for inputs, _ in every(Mazes(size=size, examples=6, test_examples=2)):
        free, start, _ = read(inputs)
        origin = breadth_first(free, start)
        cells = [(y, x) for y in range(1, size + 1, 2) for x in range(1, size + 1, 2)]
        ways = {cell: set(way_back(origin, cell)) for cell in cells}
        pairs = [((y, x), other) for y, x in cells for other in ((y + 2, x), (y, x + 2)) if other in ways]
        assert len(pairs) == (size + 1) // 2 * (size - 1)
        assert all(one in ways[other] or other in ways[one] for one, other in pairs)


def test_start_and_end_are_uniform():
    """Of 2,400 mazes of 16 cells every cell is the start, and the end, 150 times, give or take five deviations."""
    places: tuple[Counter[Square], Counter[Square]] = (Counter(), Counter())
    task = Mazes(size=7, examples=2, test_examples=2400, scale=1)
    for inputs in task.test().inputs:
        for count, colour in zip(places, ([0, 1, 0], [1, 0, 0]), strict=True):
            (place,) = (inputs == torch.tensor(colour).view(3, 1, 1)).all(dim=0).nonzero().tolist()
            count[tuple(place)] += 1
    for count in places:
        assert set(count) == {(y, x) for y in range(2, 10, 2) for x in range(2, 10, 2)}
        assert max(abs(times - 150) for times in count.values()) < 5 * math.sqrt(150)


@pytest.mark.parametrize("size", [5, 9, 13])
def test_all_mazes_are_distinct_also_between_the_splits(size: int):
    """300 + 100 mazes without a repetition, at 9 cells already: no test maze was trained or validated on."""
    pictures = [inputs.numpy().tobytes() for inputs, _ in every(Mazes(size=size, examples=300, test_examples=100))]
    assert len(pictures) == len(set(pictures)) == 400


def test_all_mazes_there_are_can_be_asked_for():
    """Four cells lie on a ring; without one of its 4 walls open, from either end of the path to 3 ends: 24 mazes."""
    pictures = {inputs.numpy().tobytes() for inputs, _ in every(Mazes(size=3, examples=20, test_examples=4))}
    assert len(pictures) == 24


def test_more_mazes_than_there_are_is_refused():
    """25 of 24, once they are drawn."""
    task = Mazes(size=3, examples=20, test_examples=5)
    assert len(task.training()[0]) == 16
    with pytest.raises(TicketbenchError, match="hardly more than 24 distinct mazes of 2×2 cells"):
        task.test()


def test_the_mazes_belong_to_the_data_seed():
    """The same options give the same mazes in the same order; another seed gives others."""
    one, same, other = (Mazes(examples=20, test_examples=10, data_seed=seed) for seed in (1, 1, 2))
    for mine, theirs in zip(splits(one), splits(same), strict=True):
        assert torch.equal(mine.inputs, theirs.inputs)
        assert torch.equal(mine.targets, theirs.targets)
    mine, theirs = ({inputs.numpy().tobytes() for inputs, _ in every(task)} for task in (one, other))
    assert not mine & theirs


def test_the_validation_share_is_a_random_one():
    """The mazes set aside are not the last ones drawn; without a share there are none; the test stays what it is."""
    whole = Mazes(examples=50, test_examples=5, validation=0.0)
    part = Mazes(examples=50, test_examples=5, validation=0.2)
    drawn = [inputs.numpy().tobytes() for inputs in whole.drawn(0, 50).inputs]
    assert [len(split) for split in splits(whole)] == [50, 0, 5]
    places = sorted(drawn.index(inputs.numpy().tobytes()) for inputs in part.training()[1].inputs)
    assert len(places) == 10
    assert places != list(range(40, 50))
    assert torch.equal(whole.test().inputs, part.test().inputs)


@pytest.mark.parametrize("size", [3, 9])
def test_scale_one_is_the_official_picture_with_the_doubling_undone(size: int):
    """The same mazes, a pixel a square, with the same margin of one pixel."""
    official, plain = (Mazes(size=size, examples=10, test_examples=4, scale=scale) for scale in (2, 1))
    assert plain.shapes() == Shapes((3, size + 4, size + 4), 2)
    for large, small in zip(splits(official), splits(plain), strict=True):
        for mine, theirs in ((large.inputs, small.inputs), (large.targets, small.targets)):
            assert mine.dtype == theirs.dtype
            assert theirs.shape[-2:] == (size + 4, size + 4)
            assert torch.equal(halved(mine), theirs[..., 1:-1, 1:-1])
            inner = int(theirs[..., 1:-1, 1:-1].count_nonzero())
            assert inner == int(theirs.count_nonzero()) > 0


def test_even_sizes_are_refused():
    """Between two cells there is a wall, so sizes are odd."""
    with pytest.raises(ValueError, match="size 10 is even"):
        Mazes(size=10)


def picture(*rows: str) -> Tensor:
    """Colours from signs, (3, height, width)."""
    colours = {sign: colour for colour, sign in SIGNS.items()}
    return torch.tensor([[colours[sign] for sign in row] for row in rows], dtype=torch.float64).permute(2, 0, 1)


def test_the_loss_counts_open_pixels_only():
    """Logits 0 and ln 3 give the path 3/4: the mean over the 3 + 2 open pixels of both mazes; walls say nothing."""
    inputs = torch.stack([picture("s #", "##e"), picture("s##", "e##")])
    targets = torch.tensor([[[1, 0, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 0]]])
    outputs = torch.zeros(2, 2, 2, 3, dtype=torch.float64)
    outputs[:, 1] = math.log(3)
    expected = -(4 * math.log(3 / 4) + math.log(1 / 4)) / 5
    assert float(Mazes().loss(outputs, targets, inputs)) == pytest.approx(expected, rel=1e-12)
    walls = inputs.sum(dim=1) == 0
    assert int(walls.sum()) == 7
    noise = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs.movedim(1, -1)[walls] = 9 * noise
    targets[walls] = 1
    assert float(Mazes().loss(outputs, targets, inputs)) == pytest.approx(expected, rel=1e-12)


def test_walls_send_no_gradient():
    """∂loss/∂logit is zero on walls and nowhere else; stacked members get what single ones do."""
    task = Mazes(size=5, examples=2, test_examples=6)
    split = task.test()
    source = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 6, 2, 16, 16, generator=source, dtype=torch.float64, requires_grad=True)
    losses = vmap(lambda output: task.loss(output, split.targets, split.inputs))(outputs)
    torch.testing.assert_close(losses, torch.stack([task.loss(one, split.targets, split.inputs) for one in outputs]))
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    open_pixels = (split.inputs.sum(dim=1) > 0).expand(2, 6, 16, 16)
    assert torch.equal((gradient != 0).all(dim=2), open_pixels)
    assert torch.equal((gradient != 0).any(dim=2), open_pixels)


def test_a_maze_counts_only_when_every_pixel_is_right():
    """A prediction on a wall is taken back; one wrong open pixel of three costs the maze, and a third of them."""
    inputs = torch.stack([picture("s #", "##e")] * 3)
    targets = torch.tensor([[[1, 0, 0], [0, 0, 1]]] * 3)
    answers = targets.clone()
    answers[:2, 0, 2] = answers[:2, 1, 0] = 1  # walls
    answers[1, 0, 1] = 1  # free, beside the path
    answers[2, 1, 2] = 0  # the end
    outputs = torch.stack([1.0 - answers, answers.float()], dim=1)
    found = Mazes().metrics(outputs, targets, inputs)
    assert {name: values.tolist() for name, values in found.items()} == {
        "accuracy": [1.0, 0.0, 0.0],
        "pixel_accuracy": pytest.approx([1.0, 2 / 3, 2 / 3]),
    }


def test_marking_everything_or_nothing_solves_no_maze():
    """The trivial answers are wrong for every maze that leaves the path somewhere."""
    task = Mazes(examples=2, test_examples=50)
    split = task.test()
    open_pixels = (split.inputs.sum(dim=1) > 0).flatten(1).sum(dim=1)
    marked = split.targets.flatten(1).sum(dim=1)
    for answer, right in ((0, open_pixels - marked), (1, marked)):
        outputs = torch.zeros(50, 2, 24, 24)
        outputs[:, answer] = 1
        found = task.metrics(outputs, split.targets, split.inputs)
        assert found["accuracy"].tolist() == [0.0] * 50
        torch.testing.assert_close(found["pixel_accuracy"], right / open_pixels)


# -- the official files -----------------------------------------------------------------------------------------


def save(folder: Path, split: str, size: int, count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Files as the official ones, in float64, of arbitrary pixels."""
    source = np.random.default_rng(size + count)
    inputs = source.integers(0, 2, (count, 3, side, side)).astype(np.float64)
    solutions = source.integers(0, 2, (count, side, side)).astype(np.float64)
    place = folder / f"maze_data_{split}_{size}"
    place.mkdir()
    np.save(place / "inputs.npy", inputs)
    np.save(place / "solutions.npy", solutions)
    return inputs, solutions


def test_the_official_files_are_read_as_they_are(tmp_path: Path):
    """The first examples of each folder, training split in two at random, as float32 and int64."""
    inputs, solutions = save(tmp_path, "train", 9, 12, 24)
    test_inputs, test_solutions = save(tmp_path, "test", 9, 5, 24)
    train, validation, test = splits(Mazes(examples=10, test_examples=4, folder=str(tmp_path)))
    assert [len(train), len(validation), len(test)] == [8, 2, 4]
    assert test.inputs.tolist() == test_inputs[:4].tolist()
    assert test.targets.tolist() == test_solutions[:4].tolist()
    found = {}
    for split in (train, validation):
        assert (split.inputs.dtype, split.targets.dtype) == (torch.float32, torch.int64)
        found |= {one.numpy().tobytes(): two.tolist() for one, two in zip(split.inputs, split.targets, strict=True)}
    assert found == {inputs[at].astype(np.float32).tobytes(): solutions[at].tolist() for at in range(10)}


def test_mazes_to_choose_on_are_others(tmp_path: Path):
    """Generated: none of the other splits. Of official files: those after the test mazes, if any are left there."""
    task = Mazes(size=5, examples=60, test_examples=30, choosing_examples=40)
    pictures = [inputs.numpy().tobytes() for split in (*splits(task), task.choosing()) for inputs in split.inputs]
    assert len(pictures) == len(set(pictures)) == 130
    assert torch.equal(task.choosing().targets, Mazes(**vars(task)).choosing().targets)
    assert torch.equal(task.test().inputs, Mazes(size=5, examples=60, test_examples=30).test().inputs)
    inputs, _ = save(tmp_path, "test", 13, 6, 32)
    official = Mazes(size=13, test_examples=3, choosing_examples=2, folder=str(tmp_path))
    assert official.choosing().inputs.tolist() == inputs[3:5].tolist()
    with pytest.raises(TicketbenchError, match=r"has shape \(6, 3, 32, 32\).*need \(7, 3, 32, 32\)"):
        Mazes(size=13, test_examples=3, choosing_examples=4, folder=str(tmp_path)).choosing()
    assert Mazes(size=13, folder=str(tmp_path)).sizes().to_choose_on == 0


def test_each_size_has_folders_of_its_own(tmp_path: Path):
    """A maze of 13 is not looked for among those of 9; the missing file is named."""
    save(tmp_path, "test", 9, 3, 24)
    expected, _ = save(tmp_path, "test", 13, 3, 32)
    found = Mazes(size=13, examples=2, test_examples=3, folder=str(tmp_path)).test()
    assert found.inputs.tolist() == expected.tolist()
    with pytest.raises(TicketbenchError, match=r"cannot read .*maze_data_test_11/inputs\.npy"):
        Mazes(size=11, examples=2, test_examples=3, folder=str(tmp_path)).test()
    with pytest.raises(TicketbenchError, match=r"cannot read .*maze_data_train_13/inputs\.npy"):
        Mazes(size=13, examples=2, test_examples=3, folder=str(tmp_path)).training()


def test_arrays_of_another_shape_are_refused(tmp_path: Path):
    """Too few mazes, mazes of another size, and solutions of another size than inputs."""
    save(tmp_path, "test", 9, 5, 24)
    with pytest.raises(TicketbenchError, match=r"inputs\.npy has shape \(5, 3, 24, 24\).*need \(6, 3, 24, 24\)"):
        Mazes(examples=2, test_examples=6, folder=str(tmp_path)).test()
    save(tmp_path, "test", 11, 5, 24)
    with pytest.raises(TicketbenchError, match=r"mazes of size 11 need \(5, 3, 28, 28\)"):
        Mazes(size=11, examples=2, test_examples=5, folder=str(tmp_path)).test()
    np.save(tmp_path / "maze_data_test_9" / "solutions.npy", np.zeros((5, 23, 24)))
    with pytest.raises(TicketbenchError, match=r"solutions\.npy has shape \(5, 23, 24\).*need \(5, 24, 24\)"):
        Mazes(examples=2, test_examples=5, folder=str(tmp_path)).test()


class Trap:
    """Something that a pickle would run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def test_files_that_hold_no_plain_array_are_refused(tmp_path: Path):
    """A pickle in an array (it is not executed), an archive of arrays, a cut and an empty file: the file is named."""
    save(tmp_path, "test", 9, 5, 24)
    task = Mazes(examples=2, test_examples=5, folder=str(tmp_path))
    path = tmp_path / "maze_data_test_9" / "inputs.npy"
    whole = path.read_bytes()
    np.save(path, np.array([Trap(tmp_path / "executed")], dtype=object), allow_pickle=True)
    with pytest.raises(TicketbenchError, match=r"cannot read .*inputs\.npy"):
        task.test()
    assert not (tmp_path / "executed").exists()
    with path.open("wb") as file:
        np.savez(file, inputs=np.zeros((5, 3, 24, 24)))
    with pytest.raises(TicketbenchError, match=r"cannot read .*inputs\.npy"):
        task.test()
    for content in (whole[:-100], whole[:50], b""):
        path.write_bytes(content)
        with pytest.raises(TicketbenchError, match=r"cannot read .*inputs\.npy"):
            task.test()
    path.write_bytes(whole)
    assert len(task.test()) == 5


def test_a_run_on_mazes(tiny_suite, records_of):
    """Two steps of a small network through the engine: both metrics are judged, and the loss is finite."""
    path = tiny_suite(
        ('"blobs"', '{ name = "mazes", size = 5, examples = 30, test_examples = 10, scale = 1 }'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "dtnet2d", width = 4, iterations = 3 }'),
        ("steps = 20", "steps = 2"),
        ('["dense", "magnitude"]', '["magnitude"]'),
    )
    for record in records_of(path):
        assert record["status"] == "ok"
        judged = {point[2]: point[6] for point in record["curves"] if point[0] == "test"}
        assert set(judged) == {"accuracy", "pixel_accuracy"}
        assert 0 < judged["pixel_accuracy"] < 1
