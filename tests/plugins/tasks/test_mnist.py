"""MNIST and Fashion-MNIST: small files in the official format, and the real ones where they are."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from file_server import FileServer, cut_at, other, placed, serving

from ticketbench import DataError, OptionError, Remote, Shapes, Sizes, data_folder
from ticketbench.datafiles.datafiles import file_state
from ticketbench.datafiles.download import fetch
from ticketbench.plugin.options import configure
from ticketbench_tasks.mnist import FASHION, MNIST, FashionMnist, Mnist, Part, Source

REAL = data_folder()
TRAIN, TEST = 30, 12

Contents = dict[str, bytes]
Put = Callable[..., None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("TICKETBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def pixels(count: int) -> np.ndarray:
    """Images as in the files: (images, 28, 28); image i begins with the byte i."""
    found = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    found[:, 0, 0] = np.arange(count)
    return found


def images(count: int) -> bytes:
    """A file of images."""
    return gzip.compress(struct.pack(">IIII", 2051, count, 28, 28) + pixels(count).tobytes(), mtime=0)


def labels(count: int) -> bytes:
    """A file of labels 0, 1, … 9, 0, 1, …; their magic numbers are the official ones in decimal."""
    return gzip.compress(struct.pack(">II", 2049, count) + bytes(at % 10 for at in range(count)), mtime=0)


def contents() -> Contents:
    """The four files by their places in a source."""
    return {
        "train images": images(TRAIN),
        "train labels": labels(TRAIN),
        "test images": images(TEST),
        "test labels": labels(TEST),
    }


def sourced(real: Source, remotes: dict[str, Remote]) -> Source:
    """A source of these files."""
    train = Part(remotes["train images"], remotes["train labels"], TRAIN)
    return replace(real, train=train, test=Part(remotes["test images"], remotes["test labels"], TEST))


def official(real: Source) -> dict[str, Remote]:
    """The official files by their places."""
    return {
        "train images": real.train.images,
        "train labels": real.train.labels,
        "test images": real.test.images,
        "test labels": real.test.labels,
    }


@pytest.fixture
def put(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put files into the data folder and make them those whose checksums are known."""

    def put(files: Contents, task: type[Mnist] = Mnist) -> None:
        real = task.source
        remotes = {
            place: placed(files[place], remote.name, folder) if place in files else remote
            for place, remote in official(real).items()
        }
        monkeypatch.setattr(task, "source", sourced(real, remotes))

    return put


def test_the_test_files_are_read_alone(put: Put):
    """Channel first, (x/255 − 0.1307) / 0.3081, labels in order; the training files are not there."""
    put({place: content for place, content in contents().items() if place.startswith("test")})
    test = Mnist().test()
    assert test.targets.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert (test.inputs.shape, test.inputs.dtype, test.targets.dtype) == ((12, 1, 28, 28), torch.float32, torch.int64)
    for image, row, column in ((0, 0, 0), (5, 3, 27), (11, 27, 1)):
        byte = int(pixels(TEST)[image, row, column])
        assert test.inputs[image, 0, row, column].item() == pytest.approx((byte / 255 - 0.1307) / 0.3081, abs=1e-6)
    with pytest.raises(DataError, match=r"needs the file train-labels-idx1-ubyte\.gz .* data fetch mnist"):
        Mnist().training()


def test_inputs_can_be_left_in_the_unit_interval(put: Put):
    """x/255, bit for bit."""
    put(contents())
    unit = Mnist(normalisation="unit").test().inputs
    assert torch.equal(unit[:, 0], torch.from_numpy(pixels(TEST)).float() / 255)
    with pytest.raises(OptionError, match="It takes 'standard' or 'unit'"):
        configure(Mnist(), {"normalisation": "half"}, "a test")


def test_all_training_images_are_trained_on_by_default(put: Put):
    """Each once, with its own label; nothing to validate on."""
    put(contents())
    train, validation = Mnist(normalisation="unit").training()
    assert (len(train), len(validation)) == (TRAIN, 0)
    found = (train.inputs[:, 0, 0, 0] * 255).round().int().tolist()
    assert sorted(found) == list(range(TRAIN))
    assert train.targets.tolist() == [at % 10 for at in found]


def test_training_and_validation_are_a_fixed_split(put: Put):
    """24 + 6 of 30, each once, with its own label."""
    put(contents())
    task = Mnist(normalisation="unit", validation=0.2)
    train, validation = task.training()
    assert (len(train), len(validation)) == (24, 6)
    assert task.sizes() == Sizes(24, 6, TEST)
    inputs = torch.cat([train.inputs, validation.inputs])
    found = (inputs[:, 0, 0, 0] * 255).round().int().tolist()
    assert sorted(found) == list(range(TRAIN))
    assert torch.cat([train.targets, validation.targets]).tolist() == [at % 10 for at in found]
    assert torch.equal(task.training()[1].inputs, validation.inputs)
    assert not torch.equal(replace(task, data_seed=1).training()[1].inputs, validation.inputs)


def test_fashion_mnist_is_of_the_same_form(put: Put):
    """Its own files and its own mean and deviation, 0.2860 and 0.3530."""
    put(contents(), FashionMnist)
    test = FashionMnist().test()
    byte = int(pixels(TEST)[7, 20, 20])
    assert test.inputs[7, 0, 20, 20].item() == pytest.approx((byte / 255 - 0.2860) / 0.3530, abs=1e-6)
    assert len(FashionMnist().training()[0]) == TRAIN
    with pytest.raises(DataError, match=r"task 'mnist' needs the file t10k-labels-idx1-ubyte\.gz"):
        Mnist().test()


def test_sizes_and_files_are_known_without_a_file():
    """60,000 and 10,000 images; four files each, under eight names in one folder, at the official addresses."""
    for task in (Mnist(), FashionMnist()):
        assert task.sizes() == Sizes(60_000, 0, 10_000)
        assert task.shapes() == Shapes((1, 28, 28), 10)
        assert task.augment_draws == 0
    assert Mnist(validation=0.1).sizes() == Sizes(54_000, 6_000, 10_000)
    files = [*Mnist().files(), *FashionMnist().files()]
    assert [remote.size for remote in files] == [9912422, 28881, 1648877, 4542, 26421880, 29515, 4422102, 5148]
    unpacked = [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert [remote.unpacked_size for remote in files] == 2 * unpacked
    sums = {text for remote in files for text in (remote.sha256, remote.unpacked_sha256)}
    assert (len(sums), {len(bytes.fromhex(text)) for text in sums}) == (16, {32})
    ends = [
        f"{part}-ubyte.gz"
        for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    ]
    assert [remote.name for remote in files] == [*ends, *(f"fashion-{end}" for end in ends)]
    assert [remote.url.rpartition("/")[2] for remote in files] == [*ends, *ends]


# -- the way into the folder -----------------------------------------------------------------------------------


def test_without_a_file_the_remedy_is_named(folder: Path):
    """The command; and by hand: from where, into which folder, under which name."""
    with pytest.raises(DataError) as caught:
        FashionMnist().test()
    assert "Run `ticketbench data fetch fashion_mnist`, or put the file from http://fashion-mnist.s3" in str(
        caught.value
    )
    assert f"t10k-labels-idx1-ubyte.gz into {folder} yourself, as fashion-t10k-labels-idx1-ubyte.gz" in str(
        caught.value
    )


def test_another_file_of_that_name_is_refused(folder: Path):
    """The official checksums are asked for, also where the form is right."""
    for place, remote in official(MNIST).items():
        placed(contents()[place], remote.name, folder)
    for read in (Mnist().training, Mnist().test):
        with pytest.raises(DataError, match="is not the file that task 'mnist' needs"):
            read()


def test_files_are_fetched_go_on_after_a_cut_and_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """From a server that breaks off once and sends another file once; then nothing more is asked for."""
    monkeypatch.setenv("no_proxy", "*")
    made = contents()
    with ExitStack() as stack:
        servers: dict[str, FileServer] = {place: stack.enter_context(serving(made[place])) for place in made}
        remotes = {place: replace(servers[place].remote, name=remote.name) for place, remote in official(MNIST).items()}
        monkeypatch.setattr(Mnist, "source", sourced(MNIST, remotes))
        servers["train images"].answers = [cut_at(1000)]
        servers["test labels"].answers = [other(bytes(len(made["test labels"])))]
        with pytest.raises(DataError, match=r"1,000 of .* bytes are there"):
            fetch(remotes["train images"], folder)
        with pytest.raises(DataError, match="another checksum, and was removed"):
            fetch(remotes["test labels"], folder)
        with pytest.raises(DataError, match="data fetch mnist"):
            Mnist().test()
        for _ in range(2):
            for remote in Mnist().files():
                fetch(remote, folder)
        assert {place: server.ranges for place, server in servers.items()} == {
            "train images": [None, "bytes=1000-"],
            "train labels": [None],
            "test images": [None],
            "test labels": [None, None],
        }
    assert len(Mnist().training()[0]) == TRAIN
    assert len(Mnist().test()) == TEST


@pytest.mark.parametrize(
    ("place", "content", "says"),
    [
        ("test images", images(TEST - 1), r"t10k-images.* is not an idx file of 12×28×28 bytes: its header says 11×28"),
        ("test labels", labels(TEST + 1), r"t10k-labels.* is not an idx file of 12 bytes: its header says 13"),
        ("test images", labels(TEST), "t10k-images.* begins with 00 00 08 01"),
        ("test labels", b"<html>", r"t10k-labels.* cannot be read as a \.gz file"),
        (
            "test labels",
            gzip.compress(struct.pack(">II", 2049, TEST) + bytes([10] * TEST), mtime=0),
            r"t10k-labels.* has labels other than 0 to 9",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(put: Put, place: str, content: bytes, says: str):
    """Of another number of images, of another kind, not compressed, or with a class 10."""
    put({**contents(), place: content})
    with pytest.raises(DataError, match=says):
        Mnist().test()


# -- the real files --------------------------------------------------------------------------------------------

DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_DIGITS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("task", "source", "train", "test"),
    [(Mnist, MNIST, DIGITS, TEST_DIGITS), (FashionMnist, FASHION, [6000] * 10, [1000] * 10)],
)
def test_the_real_files(monkeypatch, task: type[Mnist], source: Source, train: list[int], test: list[int]):
    """The published number of images of each class, and the mean and deviation that "standard" takes."""
    if any(file_state(remote, REAL) != "verified" for remote in official(source).values()):
        pytest.skip(f"the files of {task.name} are not in {REAL}: `ticketbench data fetch {task.name}`")
    monkeypatch.setenv("TICKETBENCH_DATA", str(REAL))
    images, nothing = task(normalisation="unit").training()
    assert len(nothing) == 0
    assert images.targets.bincount().tolist() == train
    assert images.inputs.double().mean().item() == pytest.approx(source.mean, abs=6e-5)
    assert images.inputs.double().std().item() == pytest.approx(source.deviation, abs=6e-5)
    assert task().test().targets.bincount().tolist() == test
