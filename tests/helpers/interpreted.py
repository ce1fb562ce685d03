"""Kernels in Triton's interpreter, in a process of their own: what TRITON_INTERPRET=1 changes stays there."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import torch


def begin() -> None:
    """Set the variable before anything imports Triton."""
    os.environ["TRITON_INTERPRET"] = "1"
    torch.set_num_threads(1)


def call(pickled: bytes) -> bytes:
    """Call a function on copies of its arguments; what it returned, and the arguments as it left them."""
    function, args, keywords = pickle.loads(pickled)
    returned = function(*args, **keywords)
    return pickle.dumps((returned, args))


@contextmanager
def interpreter() -> Iterator[Callable[..., tuple[Any, tuple[Any, ...]]]]:
    """Calls functions in the other process: (what it returned, the arguments as it left them)."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=begin) as pool:

        def run(function: Callable[..., Any], *args: Any, **keywords: Any) -> tuple[Any, tuple[Any, ...]]:
            found = pool.submit(call, pickle.dumps((function, args, keywords))).result(timeout=100)
            returned, changed = pickle.loads(found)
            return returned, changed

        yield run
