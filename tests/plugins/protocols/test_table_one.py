"""Table 1's setting end to end at smoke scale, on generated images in the official formats."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from file_server import placed
from packing import packed
from scipy.io import savemat

from ticketbench_tasks import cifar, svhn

CHANGES = (
    ("[recipes.plain]", '[recipes.plain]\nselect = "best"\nvalidate_every = 1\njudge_batch = 16'),
    ("steps = 20", "epochs = 2"),
    ('tasks = ["blobs"]', 'tasks = ["cifar10"]'),
    (
        'models = [{ name = "mlp", hidden = [8] }]',
        'models = [{ name = "recurrent_resnet", width = 8, iterations = 2 }]',
    ),
    ('protocols = ["same"]', 'protocols = ["out_of_distribution", { name = "linear_probe", epochs = 1 }]'),
    ('methods = ["dense", "magnitude"]', 'methods = ["dense", "snip"]'),
    ("densities = [0.5]", "densities = [0.9]"),
)
IMAGES = 16
ITERATIONS = (5, 7, 9, 11, 13, 15, 20)


@pytest.fixture(autouse=True)
def images(tmp_path, monkeypatch):
    """A data folder with a CIFAR-10 archive of 96 images and SVHN files of 40 and 24, which the tasks expect."""
    folder = tmp_path / "data"
    monkeypatch.setenv("TICKETBENCH_DATA", str(folder))
    monkeypatch.setattr(cifar, "IMAGES_PER_FILE", IMAGES)
    source = np.random.default_rng(0)
    files = {}
    for name in [*cifar.BINARY.training, cifar.BINARY.test]:
        pixels = source.integers(0, 256, (IMAGES, 3072), dtype=np.uint8)
        files[name] = np.column_stack([source.integers(0, 10, IMAGES, dtype=np.uint8), pixels]).tobytes()
    archive = packed(tmp_path / "made.tar.gz", *files.items()).read_bytes()
    remote = placed(archive, cifar.BINARY.remote.name, folder)
    monkeypatch.setattr(cifar, "BINARY", replace(cifar.BINARY, remote=remote))
    for name, count in (("TRAIN", 40), ("TEST", 24)):
        part, file = getattr(svhn, name), io.BytesIO()
        digits = source.integers(1, 11, (count, 1), dtype=np.uint8)
        savemat(file, {"X": source.integers(0, 256, (32, 32, 3, count), dtype=np.uint8), "y": digits})
        remote = placed(file.getvalue(), part.remote.name, folder)
        monkeypatch.setattr(svhn, name, replace(part, remote=remote, examples=count))


def test_cifar_and_svhn_are_judged_at_every_printed_iteration(tiny_suite, records_of):
    """Both protocols, dense and SNIP: accuracies of CIFAR-10 and SVHN at 5, 7, 9, 11, 13, 15 and 20 iterations."""
    records = records_of(tiny_suite(*CHANGES), seeds=1)
    assert [record["status"] for record in records] == ["ok"] * 4, [record["error"] for record in records]
    for record in records:
        swept = {
            (point[1], int(point[5])): point[6]
            for point in record["curves"]
            if point[2] == "accuracy" and point[4] == "iterations"
        }
        judged_on = ["svhn"] if "linear_probe" in record["protocol"] else ["cifar10", "svhn"]
        assert set(swept) == {(name, at) for name in judged_on for at in ITERATIONS}
        assert all(0 <= value <= 1 for value in swept.values())
