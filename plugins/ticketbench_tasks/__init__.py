"""Tasks: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Task, hookimpl
from ticketbench_tasks.cifar import Cifar10
from ticketbench_tasks.digits import Digits
from ticketbench_tasks.image_folder import ImageFolder
from ticketbench_tasks.mazes import Mazes
from ticketbench_tasks.mnist import FashionMnist, Mnist
from ticketbench_tasks.one_billion import OneBillion
from ticketbench_tasks.penn_treebank import PennTreebank
from ticketbench_tasks.prefix_sums import PrefixSums
from ticketbench_tasks.sentences import Sentences
from ticketbench_tasks.seq_digits import SeqDigits
from ticketbench_tasks.seq_mnist import SeqMnist
from ticketbench_tasks.svhn import Svhn
from ticketbench_tasks.wikitext import Wikitext2, Wikitext103


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """The built-in tasks."""
    return [
        PrefixSums(),
        Mazes(),
        Cifar10(),
        Svhn(),
        Mnist(),
        FashionMnist(),
        Digits(),
        ImageFolder(),
        SeqMnist(),
        SeqDigits(),
        Sentences(),
        PennTreebank(),
        Wikitext2(),
        Wikitext103(),
        OneBillion(),
    ]
