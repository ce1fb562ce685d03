"""Models: one file each."""

from __future__ import annotations

from collections.abc import Sequence

from ticketbench import Model, hookimpl
from ticketbench_models.conv import Conv2, Conv4, Conv6
from ticketbench_models.dtnet import DTNet1D, DTNet2D
from ticketbench_models.feedforward import FeedForward1D, FeedForward2D
from ticketbench_models.language_model import LanguageModel
from ticketbench_models.lenet import LeNet5
from ticketbench_models.mlp import MLP
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole
from ticketbench_models.recurrent_resnet import RecurrentResNet
from ticketbench_models.resnet import ResNet50
from ticketbench_models.vgg import VGG16
from ticketbench_models.wide_resnet import WideResNet


@hookimpl
def ticketbench_models() -> Sequence[Model]:
    """The built-in models."""
    return [
        Conv2(),
        Conv4(),
        Conv6(),
        DTNet1D(),
        DTNet2D(),
        FeedForward1D(),
        FeedForward2D(),
        GRU(),
        LanguageModel(),
        LeNet5(),
        LSTM(),
        MLP(),
        Peephole(),
        RecurrentResNet(),
        ResNet50(),
        RNN(),
        VGG16(),
        WideResNet(),
    ]
