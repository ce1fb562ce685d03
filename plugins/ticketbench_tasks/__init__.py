"""Tasks: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Task, hookimpl
from ticketbench_tasks.cifar import Cifar10
from ticketbench_tasks.digits import Digits
from ticketbench_tasks.image_folder import ImageFolder
from ticketbench_tasks.mazes import Mazes
from ticketbench_tasks.mnist import FashionMnist, Mnist
from ticketbench_tasks.prefix_sums import PrefixSums
from ticketbench_tasks.svhn import Svhn


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """The built-in tasks."""
    return [PrefixSums(), Mazes(), Cifar10(), Svhn(), Mnist(), FashionMnist(), Digits(), ImageFolder()]
