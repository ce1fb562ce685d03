"""Image files decoded once, into a file of bytes that is mapped into memory and never read whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from ticketbench import DataError, data_folder

FORMAT = 1
"""Raised when the same files would be decoded otherwise."""
CHUNK = 256
"""Images that are decoded before they are written: the most that are in memory at a time."""
MOST_THREADS = 16


@dataclass(frozen=True)
class Cut:
    """How an image becomes a square: its shorter side resized, then the middle of it."""

    resize: int
    size: int


def decoded_images(root: Path, files: Sequence[str], cut: Cut, label: str) -> Tensor:
    """(image, 3, size, size) bytes of files within a folder, in that order, read from the disk as they are used.

    The cache is a .npy file in the folder, or in the data folder where that one cannot be written to. Its name has
    a hash of all paths, sizes and times of change, their order and the cut: other files make another cache. It is
    written under a temporary name and renamed, by one process at a time.
    """
    name = f"ticketbench-{label}-{listing_hash(root, files, cut)}.npy"
    shape = (len(files), 3, cut.size, cut.size)
    places = [root / name, data_folder() / name]
    for place in places:
        if place.is_file():
            return mapped(place, shape)
    target = places[0] if os.access(root, os.W_OK) else places[1]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        decode_into(target, root, files, cut)
    except OSError as error:
        needed = f"{np.prod(shape):,} bytes of decoded images"
        raise DataError(f"cannot write {needed} to {target.parent}: {error.strerror or error}") from None
    return mapped(target, shape)


def listing_hash(root: Path, files: Sequence[str], cut: Cut) -> str:
    """Sixteen hexadecimal digits of everything that decides the bytes, without reading an image."""
    digest = hashlib.sha256(f"{FORMAT} {cut.resize} {cut.size}\n".encode())
    for name in files:
        try:
            about = os.stat(root / name)
        except OSError as error:
            raise DataError(f"cannot read {root / name}: {error.strerror}") from None
        digest.update(os.fsencode(name) + f"\0{about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def mapped(path: Path, shape: tuple[int, ...]) -> Tensor:
    """A cache as a tensor; its pages come from the disk when they are read."""
    try:
        images = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. Remove it, and the images are decoded again.") from None
    if images.shape != shape or images.dtype != np.uint8:
        raise DataError(
            f"{path} does not hold bytes of the shape {shape}. Remove it, and the images are decoded again."
        )
    with warnings.catch_warnings():
        # torch warns that the memory cannot be written to, which is what is wanted; a private writable map of a file
        # that is larger than the memory would be refused
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(images)


def decode_into(target: Path, root: Path, files: Sequence[str], cut: Cut) -> None:
    """Decode all files, chunk by chunk, into one; another process that wants the same file waits for this one."""
    partial = target.with_name(f".{target.name}.part")
    with partial.open("ab") as file, ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as threads:
        fcntl.flock(file, fcntl.LOCK_EX)
        if target.is_file():
            return
        try:
            os.ftruncate(file.fileno(), 0)
            write_images(file, root, files, cut, threads)
            os.replace(partial, target)
        except BaseException:
            with suppress(OSError):  # the disk may be full
                file.flush()
            os.ftruncate(file.fileno(), 0)
            raise


def write_images(file: BinaryIO, root: Path, files: Sequence[str], cut: Cut, threads: ThreadPoolExecutor) -> None:
    """The header and all images, safely on the disk."""
    shape = (len(files), 3, cut.size, cut.size)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    for at in range(0, len(files), CHUNK):
        paths = [root / name for name in files[at : at + CHUNK]]
        for image in threads.map(lambda path: decoded(path, cut), paths):
            file.write(image.tobytes())
    file.flush()
    os.fsync(file.fileno())


def decoded(path: Path, cut: Cut) -> np.ndarray:
    """One image file as (3, size, size) bytes: RGB, the shorter side `resize` pixels, the middle `size` of both.

    Bilinear, smoothed where it shrinks. Grey images have three equal channels, transparency is left out, and a tag
    that says how the camera was held is not followed, as is usual for ImageNet.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            image: Image.Image = file
            if image.mode.startswith("I;16"):  # 16 bits, which Pillow would clip
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            elif image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")
            image = image.convert("RGB")
    except Exception as error:  # a broken file can raise anything
        raise DataError(f"{path} cannot be decoded as an image: {error}") from None
    width, height = image.size
    shorter = min(width, height)
    width, height = cut.resize * width // shorter, cut.resize * height // shorter
    left, top = round((width - cut.size) / 2), round((height - cut.size) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    square = resized.crop((left, top, left + cut.size, top + cut.size))
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
