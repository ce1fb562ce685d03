"""Folders of images: listings, splits, crops, and a whole run."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ticketbench import DataError, OptionError, Shapes, Sizes
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import configure
from ticketbench_tasks import image_cache
from ticketbench_tasks.image_folder import DEVIATION, MEAN, ImageFolder, resized_crop

TRAIN = {"b": ["2.png", "10.png", "1.jpg"], "a": ["x.JPEG"], "c d": ["ä.png", "z.Jpg", "y.jpeg", "w.png"]}
VAL = {"b": ["7.png"], "a": ["8.png", "9.jpg"], "c d": ["6.png"]}
IN_ORDER = ["a/x.JPEG", "b/1.jpg", "b/10.png", "b/2.png", "c d/w.png", "c d/y.jpeg", "c d/z.Jpg", "c d/ä.png"]


def fill(folder: Path, classes: dict[str, list[str]]) -> None:
    """Flat grey images of 4×4 pixels; the k-th in the order of classes and names has the value 20·k."""
    names = sorted(f"{name}/{file}" for name, files in classes.items() for file in files)
    for at, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (4, 4), (20 * at,) * 3)
        image.save(folder / name, quality=100)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder where the data folder has ImageNet."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "imagenet"
    fill(folder / "train", TRAIN)
    fill(folder / "val", VAL)
    return folder


SMALL = ImageFolder(size=4, resize=4)


def numbers(inputs: Tensor) -> list[int]:
    """Which images these are."""
    return [round(value / 20) for value in inputs[:, 0, 0, 0].tolist()]


# -- what is read ----------------------------------------------------------------------------------------------


def test_it_is_registered(plugins: Plugins):
    """With the usual sizes of ImageNet; its inputs stay on the host."""
    task = plugins.items["task"]["image_folder"].item
    assert task == ImageFolder(root="imagenet", size=224, resize=256, validation=0.0)
    assert not task.resident
    assert task.files() == ()


def test_labels_are_the_order_of_class_names(root: Path):
    """All eight images, each once, with the label of its folder; endings in any case, other files are no images."""
    (root / "train" / "a" / "readme.txt").write_text("no image")
    (root / "train" / "a" / "._x.JPEG").write_bytes(b"what another system has left")
    (root / "train" / ".hidden").mkdir()
    (root / "train" / "notes.txt").write_text("no class")
    assert SMALL.shapes() == Shapes((3, 4, 4), 3)
    assert SMALL.sizes() == Sizes(8, 0, 4)
    train, validation = SMALL.training()
    assert (train.inputs.shape, train.inputs.dtype, train.targets.dtype) == ((8, 3, 4, 4), torch.uint8, torch.int64)
    assert len(validation) == 0
    found = numbers(train.inputs)
    assert sorted(found) == list(range(8))
    expected = {name: "abc".index(name[0]) for name in IN_ORDER}
    assert train.targets.tolist() == [expected[IN_ORDER[at]] for at in found]


def test_the_test_split_is_val_in_order(root: Path):
    """Class by class; nothing of train is decoded."""
    test = SMALL.test()
    assert numbers(test.inputs) == [0, 1, 2, 3]
    assert test.targets.tolist() == [0, 0, 1, 2]
    assert [name.split("-")[1] for name in os.listdir(root) if name.endswith(".npy")] == ["val"]


def test_validation_is_a_fixed_share_of_train_in_the_same_memory(root: Path, monkeypatch):
    """Six and two of eight; another share is another cut of the same file, another seed another order."""
    task = configure(SMALL, {"validation": 0.25}, "a test")
    assert task.sizes() == Sizes(6, 2, 4)
    train, validation = task.training()
    assert (len(train), len(validation)) == (6, 2)
    assert sorted(numbers(train.inputs) + numbers(validation.inputs)) == list(range(8))
    assert validation.inputs.data_ptr() == train.inputs.data_ptr() + 6 * 48
    monkeypatch.setattr(image_cache, "decoded", None)
    again = configure(SMALL, {"validation": 0.5}, "a test").training()
    assert numbers(again[0].inputs) == numbers(train.inputs)[:4]
    assert torch.equal(again[1].targets, torch.cat([train.targets[4:], validation.targets]))
    monkeypatch.undo()
    monkeypatch.setenv("TICKETBENCH_DATA", str(root.parent))
    other = configure(SMALL, {"validation": 0.25, "data_seed": 1}, "a test").training()
    assert numbers(other[0].inputs) != numbers(train.inputs)


def test_another_root(root: Path, tmp_path: Path):
    """Absolute, or within the data folder."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)
    root.rename(root.with_name("mine"))
    for name in (str(elsewhere), "mine"):
        assert len(configure(SMALL, {"root": name}, "a test").training()[0]) == 8
    with pytest.raises(DataError, match=r"data/imagenet/train/CLASS/\*\.jpg"):
        SMALL.training()


def test_bytes_become_normal_numbers():
    """(x/255 − mean) / deviation of each channel."""
    inputs = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).repeat(2, 1, 1, 2)
    found = SMALL.prepare(inputs)
    expected = [(value - mean) / deviation for value, mean, deviation in zip((0, 0.2, 1), MEAN, DEVIATION, strict=True)]
    assert found.shape == inputs.shape
    assert found[1, :, 0, 1].tolist() == pytest.approx(expected, rel=1e-5)
    assert (MEAN, DEVIATION) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


# -- what is wrong ---------------------------------------------------------------------------------------------


def test_a_missing_folder_is_named_with_the_form_that_is_needed(root: Path):
    """No train at all, then no val: training works without it."""
    shutil.rmtree(root / "val")
    assert len(SMALL.training()[0]) == 8
    with pytest.raises(DataError, match=rf"'image_folder' needs images in .*'root' names; cannot read {root}/val: No"):
        SMALL.test()
    with pytest.raises(DataError, match=rf"cannot read {root}/val"):
        SMALL.sizes()
    shutil.rmtree(root / "train")
    with pytest.raises(DataError, match=rf"cannot read {root}/train: No such file"):
        SMALL.shapes()
    (root / "train").mkdir()
    with pytest.raises(DataError, match=rf"there is no class folder in {root}/train"):
        SMALL.training()


def test_an_empty_class_folder_is_named(root: Path):
    """In either part."""
    for file in (root / "val" / "b").iterdir():
        file.rename(file.with_suffix(".gif"))
    with pytest.raises(DataError, match=rf"class folder {root}/val/b holds no image \(\.jpg, \.jpeg, \.png\)"):
        SMALL.test()
    (root / "train" / "d").mkdir()
    with pytest.raises(DataError, match=rf"class folder {root}/train/d holds no image"):
        SMALL.training()


def test_a_class_in_one_part_alone_is_named(root: Path):
    """Its images would have no label, or never be judged."""
    fill(root / "val", {"new": ["1.png"]})
    with pytest.raises(DataError, match="the class 'new' is in one of train and val alone"):
        SMALL.test()
    shutil.rmtree(root / "val" / "new")
    shutil.rmtree(root / "val" / "a")
    with pytest.raises(DataError, match="the class 'a' is in one of train and val alone"):
        SMALL.test()


def test_an_unreadable_image_is_named(root: Path):
    """The others can be read."""
    (root / "train" / "b" / "10.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=rf"{root}/train/b/10\.png cannot be decoded"):
        SMALL.training()
    assert len(SMALL.test()) == 4


def test_a_size_beyond_the_resized_image_is_refused():
    """There would be nothing at the edges."""
    with pytest.raises(OptionError, match="'image_folder' in a test: size 5 is more than resize 4"):
        configure(SMALL, {"size": 5}, "a test")


# -- augmentation ----------------------------------------------------------------------------------------------

RAMP = torch.tensor([0.0, 4, 8, 12]).expand(1, 1, 4, 4)
QUARTER = 0.25
SQUARE = 0.5
"""The middle of the shapes' logarithms: as wide as high."""


@pytest.mark.parametrize(
    ("across", "flip", "expected"),
    [
        (0.0, 0.9, [0, 1, 3, 5]),
        (1.0, 0.9, [7, 9, 11, 12]),
        (0.5, 0.9, [3, 5, 7, 9]),
        (0.0, 0.1, [5, 3, 1, 0]),
        (1.0, 0.1, [12, 11, 9, 7]),
    ],
)
def test_a_quarter_of_a_small_image(across: float, flip: float, expected: list[int]):
    """Two of four columns, sampled at four places each half a column apart; beyond the image is its edge."""
    columns = resized_crop(RAMP, torch.tensor([[0.0, SQUARE, 0.3, across, flip]]), QUARTER)
    assert columns[0, 0].tolist() == [pytest.approx(expected, abs=1e-5)] * 4
    rows = resized_crop(RAMP.mT, torch.tensor([[0.0, SQUARE, across, 0.3, 0.9]]), QUARTER)
    assert rows[0, 0].T.tolist() == [pytest.approx(sorted(expected), abs=1e-5)] * 4


def test_the_whole_image_is_the_largest_crop():
    """As it is, or mirrored, wherever it should be."""
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    found = resized_crop(images, torch.tensor([[1.0, SQUARE, 0.2, 0.9, 0.5], [1.0, SQUARE, 0.9, 0.2, 0.49]]), QUARTER)
    torch.testing.assert_close(found[0], images[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], images[1].flip(2), rtol=1e-4, atol=1e-5)


def reference(image: np.ndarray, draws: list[float], smallest: float) -> np.ndarray:
    """A crop in pixels, sampled pixel by pixel."""
    height, width = image.shape[1:]
    area = (smallest + (1 - smallest) * draws[0]) * height * width
    shape = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * draws[1])
    wide, high = min(math.sqrt(area * shape), width), min(math.sqrt(area / shape), height)
    top, left = draws[2] * (height - high), draws[3] * (width - wide)
    found = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            along = width - 1 - column if draws[4] < 0.5 else column
            y = min(max(top + (row + 0.5) / height * high - 0.5, 0), height - 1)
            x = min(max(left + (along + 0.5) / width * wide - 0.5, 0), width - 1)
            y0, x0 = min(int(y), height - 2), min(int(x), width - 2)
            dy, dx = y - y0, x - x0
            upper = (1 - dx) * image[:, y0, x0] + dx * image[:, y0, x0 + 1]
            lower = (1 - dx) * image[:, y0 + 1, x0] + dx * image[:, y0 + 1, x0 + 1]
            found[:, row, column] = (1 - dy) * upper + dy * lower
    return found


@pytest.mark.parametrize(("smallest", "height", "width"), [(0.08, 6, 9), (0.9, 6, 9), (0.9, 9, 6)])
def test_a_batch_is_what_cropping_pixel_by_pixel_gives(smallest: float, height: int, width: int):
    """40 images in float64, the ends of the unit interval among their draws, alone and under vmap."""
    source = torch.Generator().manual_seed(0)
    images = torch.randn(40, 2, height, width, generator=source, dtype=torch.float64)
    uniforms = torch.rand(40, 5, generator=source, dtype=torch.float64)
    uniforms[:2] = torch.tensor([[0.0] * 5, [1 - 2**-24] * 5])
    each = [reference(image, draws, smallest) for image, draws in zip(images.numpy(), uniforms.tolist(), strict=True)]
    expected = torch.from_numpy(np.stack(each))
    torch.testing.assert_close(resized_crop(images, uniforms, smallest), expected, rtol=1e-9, atol=1e-9)
    stacked = torch.func.vmap(lambda batch, draws: resized_crop(batch, draws, smallest))(
        images.view(4, 10, 2, height, width), uniforms.view(4, 10, 5)
    )
    torch.testing.assert_close(stacked.flatten(0, 1), expected, rtol=1e-9, atol=1e-9)


def test_augmentation_is_an_option():
    """Five uniform numbers an image, or none."""
    assert SMALL.augment_draws == 5
    assert configure(SMALL, {"augmentation": False}, "a test").augment_draws == 0
    draws = torch.tensor([[0.0, SQUARE, 0.3, 0.0, 0.9]])
    quarter = configure(SMALL, {"smallest_crop": QUARTER}, "a test").augment(RAMP, draws)
    assert quarter[0, 0, 0].tolist() == pytest.approx([0, 1, 3, 5], abs=1e-5)


# -- a run -----------------------------------------------------------------------------------------------------

RUN = """
[[tiers.smoke.blocks]]
tasks = [{{ name = "image_folder", root = "{root}", size = 8, resize = 8, validation = 0.25 }}]
models = [{{ name = "mlp", hidden = [8] }}]
protocols = {protocols}
initializers = ["default"]
methods = ["dense", "snip"]
densities = [0.5]
recipe = "plain"
"""


@pytest.fixture
def colours(root: Path, tmp_path: Path, tiny_suite):
    """A folder of red and of blue images, and a suite over it with these protocols."""
    folder = tmp_path / "colours"
    for part, count in (("train", 32), ("val", 6)):
        for label, colour in enumerate(((200, 30, 30), (30, 30, 200))):
            (folder / part / str(label)).mkdir(parents=True)
            for at in range(count // (1 + label)):
                Image.new("RGB", (10, 9), colour).save(folder / part / str(label) / f"{at}.png")
    suite = tiny_suite(("batch = 20", "batch = 20\nvalidate_every = 2"), ("log_every = 5", "log_every = 1"))
    text = suite.read_text(encoding="utf-8")

    def of(protocols: str) -> Path:
        run = RUN.format(root=folder, protocols=protocols)
        suite.write_text(text[: text.index("[[tiers")] + run, encoding="utf-8")
        return suite

    return folder, of


def test_a_whole_run(colours, records_of):
    """Red and blue images are told apart: trained, validated, scored on and judged from bytes on the host."""
    folder, suite_of = colours
    records = records_of(suite_of('["same"]'))
    assert [(record["row"], record["seed"], record["status"]) for record in records] == [
        (row, seed, "ok") for row in ("dense", "snip") for seed in (0, 1)
    ]
    assert [record["headline"] for record in records] == [1.0] * 4
    assert [round(record["exact_density"], 2) for record in records] == [1.0, 1.0, 0.5, 0.5]
    assert len([name for name in os.listdir(folder) if name.endswith(".npy")]) == 2


def test_runs_on_halves_and_on_labels(colours, records_of):
    """A part of the task has its images as bytes, too, and gives them to the network as the task does."""
    _, suite_of = colours
    labels = '{ name = "labels", draw_labels = [0, 1], train_labels = [0, 1] }'
    records = records_of(suite_of(f'["halves", {labels}]'), seeds=1)
    assert {(record["row"], record["protocol"].split()[0]) for record in records} == {
        (row, protocol) for row in ("dense", "snip") for protocol in ("halves", "labels")
    }
    assert [(record["status"], record["headline"]) for record in records] == [("ok", 1.0)] * 4
