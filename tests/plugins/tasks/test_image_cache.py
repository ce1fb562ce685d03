"""Decoded images: every kind of file, and the cache that holds them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ticketbench import DataError
from ticketbench_tasks import image_cache
from ticketbench_tasks.image_cache import Cut, decoded, decoded_images

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for images, and an empty data folder elsewhere."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def halves(size: tuple[int, int] = (8, 4), left=RED, right=BLUE) -> Image.Image:
    """An image of two colours, side by side."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def greys(root: Path, *values: int) -> list[str]:
    """Flat 2×2 images of these values, and their names."""
    names = [f"{at}.png" for at in range(len(values))]
    for name, value in zip(names, values, strict=True):
        Image.new("L", (2, 2), value).save(root / name)
    return names


CUT = Cut(2, 2)


# -- decoding --------------------------------------------------------------------------------------------------


def test_the_middle_is_kept_of_an_image_that_has_the_size(root: Path):
    """Of six columns the middle two, of two rows both: red, green and blue planes, rows first."""
    pixels = np.arange(36, dtype=np.uint8).reshape(2, 6, 3)
    Image.fromarray(pixels).save(root / "wide.png")
    assert decoded(root / "wide.png", CUT).tolist() == [
        [[6, 9], [24, 27]],
        [[7, 10], [25, 28]],
        [[8, 11], [26, 29]],
    ]
    Image.fromarray(pixels.transpose(1, 0, 2)).save(root / "high.png")
    assert decoded(root / "high.png", CUT)[0].tolist() == [[6, 24], [9, 27]]


def test_a_larger_image_is_smoothed_as_it_shrinks(root: Path):
    """Columns 0, 70, 140, 210 to two: (¾·0 + ¾·70 + ¼·140) / 1¾ = 50, and 160 from the other side."""
    columns = np.array([0, 70, 140, 210], dtype=np.uint8)
    Image.fromarray(np.tile(columns, (4, 1))).save(root / "grey.png")
    assert decoded(root / "grey.png", CUT).tolist() == [[[50, 160], [50, 160]]] * 3


def test_the_longer_side_keeps_the_proportion(root: Path):
    """3×7 becomes 6×14, of which the middle 4×4 begins in row 5: three quarters of row 2 and a quarter of row 3."""
    image = Image.new("RGB", (3, 7), RED)
    image.paste(BLUE, (0, 3, 3, 7))
    image.save(root / "high.png")
    red, green, blue = decoded(root / "high.png", Cut(6, 4))
    assert red.tolist() == [[191] * 4, [64] * 4, [0] * 4, [0] * 4]
    assert green.max() == 0
    assert blue[:, 0].tolist() == [64, 191, 255, 255]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (2, 2), 77), (77, 77, 77)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("LA", (2, 2), (60, 10)), (60, 60, 60)),
        (Image.new("RGBA", (2, 2), (1, 2, 3, 0)), (1, 2, 3)),
        (Image.fromarray(np.full((2, 2), 0x80FF, dtype=np.uint16)), (128, 128, 128)),
    ],
    ids=["grey", "one bit", "grey and transparency", "transparency", "16 bits"],
)
def test_kinds_of_pixels(root: Path, image: Image.Image, expected: tuple[int, int, int]):
    """All become RGB; transparency is left out, and of 16 bits the upper eight are kept."""
    image.save(root / "image.png")
    assert decoded(root / "image.png", CUT)[:, 0, 0].tolist() == list(expected)


@pytest.mark.parametrize("transparency", [None, bytes([0, 100])])
def test_palettes(root: Path, transparency: bytes | None):
    """With a transparency for each colour, too, of which Pillow would warn."""
    image = Image.new("P", (2, 2), 1)
    image.putpalette([9, 8, 7, 30, 20, 10])
    image.save(root / "image.png", **({} if transparency is None else {"transparency": transparency}))
    with Image.open(root / "image.png") as saved:
        assert saved.mode == "P"
    assert decoded(root / "image.png", CUT)[:, 1, 1].tolist() == [30, 20, 10]


def test_printing_colours(root: Path):
    """A JPEG in CMYK: no cyan, all magenta and yellow is red."""
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(root / "image.jpg", quality=100)
    with Image.open(root / "image.jpg") as saved:
        assert saved.mode == "CMYK"
    red, green, blue = decoded(root / "image.jpg", CUT)[:, 0, 0].tolist()
    assert red > 250
    assert max(green, blue) < 5


def test_a_tag_of_orientation_is_not_followed(root: Path):
    """6 asks for a quarter turn, after which red would be above and not to the left."""
    exif = Image.Exif()
    exif[0x0112] = 6
    halves((64, 32)).save(root / "image.jpg", quality=100, subsampling=0, exif=exif)
    red, _, blue = decoded(root / "image.jpg", Cut(32, 32))
    assert red[:, :12].min() > 240
    assert red[:, 20:].max() < 15
    assert blue[:, 20:].min() > 240


def broken_files(root: Path) -> dict[str, bytes]:
    """Files that are no whole images."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    contents = {"text.jpg": b"<html>not found</html>", "empty.png": b""}
    for name in ("cut.jpg", "cut.png"):
        Image.fromarray(noise).save(root / name)
        contents[name] = (root / name).read_bytes()[:2000]
    return contents


@pytest.mark.parametrize("name", ["text.jpg", "empty.png", "cut.jpg", "cut.png"])
def test_a_file_that_is_no_whole_image_is_named(root: Path, name: str):
    """No cache is left, and nothing of the bytes that were written before."""
    good = greys(root, 1, 2)
    (root / name).write_bytes(broken_files(root)[name])
    with pytest.raises(DataError, match=rf"{root}/{name} cannot be decoded as an image: ."):
        decoded_images(root, [*good, name], CUT, "train")
    (left,) = [path for path in root.iterdir() if "ticketbench" in path.name]
    assert (left.suffix, left.stat().st_size) == (".part", 0)


# -- the cache -------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded."""
    found: list[str] = []

    def noted(path: Path, cut: Cut) -> np.ndarray:
        found.append(path.name)
        return decoded(path, cut)

    monkeypatch.setattr(image_cache, "decoded", noted)
    return found


def caches(root: Path) -> list[str]:
    """The files that were made in a folder."""
    return sorted(path.name for path in root.iterdir() if "ticketbench" in path.name)


def test_images_are_decoded_once_in_the_order_asked_for(root: Path, calls: list[str], monkeypatch):
    """In chunks of two; a second load reads the file that the first has written."""
    monkeypatch.setattr(image_cache, "CHUNK", 2)
    names = greys(root, 10, 20, 30, 40, 50)
    names = [names[at] for at in (3, 0, 4, 1, 2)]
    for _ in range(2):
        images = decoded_images(root, names, CUT, "train")
        assert (images.shape, images.dtype) == ((5, 3, 2, 2), torch.uint8)
        assert images[:, 1, 0, 1].tolist() == [40, 10, 50, 20, 30]
        assert sorted(calls) == sorted(names)
    (cache,) = caches(root)
    assert cache.startswith("ticketbench-train-")
    assert cache.endswith(".npy")


def test_images_stay_on_the_disk(root: Path):
    """What changes in the file changes in the tensor: there is no copy."""
    images = decoded_images(root, greys(root, 10, 20), CUT, "train")
    with (root / caches(root)[0]).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xc8")
    assert images[1, 2].tolist() == [[20, 20], [20, 200]]
    maps = Path("/proc/self/maps")
    if maps.exists():  # shared and not writable: what is private counts as memory, and may be refused
        (line,) = [line for line in maps.read_text().splitlines() if line.endswith(caches(root)[0])]
        assert line.split()[1] == "r--s"


def touched(root: Path) -> None:
    """A file changed some other time."""
    os.utime(root / "1.png", ns=(5, 5))


def resaved(root: Path) -> None:
    """Another size in the same nanosecond."""
    before = (root / "1.png").stat().st_mtime_ns
    Image.new("L", (20, 20), 21).save(root / "1.png")
    os.utime(root / "1.png", ns=(before, before))


@pytest.mark.parametrize("change", [touched, resaved])
def test_changed_files_are_decoded_again(root: Path, calls: list[str], change: Callable[[Path], None]):
    """Into a cache of their own."""
    names = greys(root, 10, 20)
    decoded_images(root, names, CUT, "train")
    change(root)
    decoded_images(root, names, CUT, "train")
    assert sorted(calls) == ["0.png", "0.png", "1.png", "1.png"]
    assert len(caches(root)) == 2


def test_another_listing_or_cut_has_another_cache(root: Path):
    """Fewer files, another order, another name, another size, another side; not another folder above."""
    names = greys(root, 10, 20, 30)
    os.link(root / "2.png", root / "x.png")
    wanted = [
        (names, CUT),
        (names[:2], CUT),
        (names[::-1], CUT),
        ([*names[:2], "x.png"], CUT),
        (names, Cut(2, 1)),
        (names, Cut(3, 2)),
    ]
    for files, cut in wanted:
        decoded_images(root, files, cut, "train")
    assert len(caches(root)) == len(wanted)
    root.rename(root.with_name("moved"))
    decoded_images(root.with_name("moved"), names, CUT, "train")
    assert len(caches(root.with_name("moved"))) == len(wanted)


def test_no_more_than_a_chunk_is_decoded_ahead(root: Path, calls: list[str], monkeypatch):
    """The third of seven images is broken: in chunks of two, none after the fourth is looked at."""
    monkeypatch.setattr(image_cache, "CHUNK", 2)
    names = greys(root, *range(7))
    (root / "2.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"2\.png cannot be decoded"):
        decoded_images(root, names, CUT, "train")
    assert {"0.png", "1.png", "2.png"} <= set(calls) <= {"0.png", "1.png", "2.png", "3.png"}


def test_one_process_decodes_and_the_others_wait(root: Path, calls: list[str], monkeypatch):
    """Two that begin together decode every image once, and see the same."""
    names, noted, begin = greys(root, 10, 20, 30), image_cache.decoded, threading.Barrier(2)

    def slow(path: Path, cut: Cut) -> np.ndarray:
        time.sleep(0.1)
        return noted(path, cut)

    monkeypatch.setattr(image_cache, "decoded", slow)
    found: list[list[int]] = []

    def load() -> None:
        begin.wait()
        found.append(decoded_images(root, names, CUT, "train")[:, 0, 0, 0].tolist())

    both = [threading.Thread(target=load) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert found == [[10, 20, 30]] * 2
    assert sorted(calls) == names


def test_what_a_killed_run_has_left_is_written_over(root: Path):
    """A part of a cache does not count."""
    names = greys(root, 10, 20)
    decoded_images(root, names, CUT, "train")
    (cache,) = caches(root)
    whole = (root / cache).read_bytes()
    (root / f".{cache}.part").write_bytes(whole[:-3] + b"and more than there should be")
    (root / cache).unlink()
    decoded_images(root, names, CUT, "train")
    assert (root / cache).read_bytes() == whole
    assert caches(root) == [cache]


def test_a_folder_that_cannot_be_written_to(root: Path, calls: list[str], monkeypatch):
    """The cache lies in the data folder; one that lies beside the data is still read."""
    names = greys(root, 10, 20)
    monkeypatch.setattr(os, "access", lambda path, how: Path(path) != root)
    for _ in range(2):
        decoded_images(root, names, CUT, "val")
    assert (caches(root), sorted(calls)) == ([], names)
    (cache,) = caches(image_cache.data_folder())
    (image_cache.data_folder() / cache).rename(root / cache)
    decoded_images(root, names, CUT, "val")
    assert sorted(calls) == names


def test_a_full_disk_is_named(root: Path, monkeypatch):
    """With the bytes that are needed: 2 images of 3·2·2."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=rf"cannot write 24 bytes of decoded images to {root}: No space left on device"):
        decoded_images(root, greys(root, 1, 2), CUT, "train")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_a_damaged_cache_is_named(root: Path, content: bytes):
    """The remedy is to remove it."""
    names = greys(root, 10, 20)
    decoded_images(root, names, CUT, "train")
    (cache,) = caches(root)
    (root / cache).write_bytes(content)
    with pytest.raises(DataError, match=rf"{cache} cannot be read: .*Remove it, and the images are decoded again"):
        decoded_images(root, names, CUT, "train")
    np.save(root / cache, np.zeros((2, 3, 2, 1), dtype=np.uint8))
    with pytest.raises(DataError, match=r"does not hold bytes of the shape \(2, 3, 2, 2\)\. Remove it"):
        decoded_images(root, names, CUT, "train")


def test_a_file_that_went_away_is_named(root: Path):
    """Listed and then removed."""
    with pytest.raises(DataError, match=rf"cannot read {root}/gone\.png: No such file"):
        decoded_images(root, [*greys(root, 1), "gone.png"], CUT, "train")
