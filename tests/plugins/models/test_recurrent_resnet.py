"""The residual network with a repeated block, against a straightforward implementation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Shapes
from ticketbench.testing import Blobs, check_model, stacked_pass
from ticketbench_models.recurrent_resnet import RecurrentResNet

SHAPES = Shapes((3, 32, 32), 10)
WIDTH = 8
NORMS = {
    "norm": 64,
    "layer1.0.norm1": 64,
    "layer1.0.norm2": 64,
    "layer1.1.norm1": 64,
    "layer1.1.norm2": 64,
    "layer2.norm1": WIDTH,
    "layer2.norm2": WIDTH,
    "layer2.shortcut.1": WIDTH,
    "repeated.norm1": WIDTH,
    "repeated.norm2": WIDTH,
    "layer3.norm1": WIDTH,
    "layer3.norm2": WIDTH,
    "layer3.shortcut.1": WIDTH,
    "layer4.norm1": WIDTH,
    "layer4.norm2": WIDTH,
    "layer4.shortcut.1": WIDTH,
}


def net(model: RecurrentResNet, seed: int = 0) -> nn.Module:
    """The network in float64 with statistics, scales and shifts that are no zeros and ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = model.build(SHAPES).double()
        with torch.no_grad():
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                if tensor.ndim == 1 and name != "linear.bias":
                    tensor.uniform_(0.5, 1.5)
    return module


def images(count: int = 3, seed: int = 1) -> Tensor:
    """Noise."""
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class ByHand:
    """The same network out of nn.BatchNorm2d modules and bare convolutions, driven one call at a time."""

    def __init__(self, module: nn.Module, training: bool = False) -> None:
        state = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        self.weights = {
            name: tensor for name, tensor in state.items() if tensor.ndim in (2, 4) or name == "linear.bias"
        }
        self.norms = {name: nn.BatchNorm2d(width).double().train(training) for name, width in NORMS.items()}
        for name, norm in self.norms.items():
            norm.load_state_dict({key: state.pop(f"{name}.{key}") for key in norm.state_dict()})
        assert set(state) == set(self.weights)

    def conv(self, name: str, image: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
        """A convolution without bias."""
        return functional.conv2d(image, self.weights[f"{name}.weight"], stride=stride, padding=padding)

    def block(self, name: str, image: Tensor, stride: int = 1) -> Tensor:
        """Two normed convolutions beside a shortcut, which is a normed 1×1 convolution if there is one."""
        inner = torch.relu(self.norms[f"{name}.norm1"](self.conv(f"{name}.conv1", image, stride)))
        inner = self.norms[f"{name}.norm2"](self.conv(f"{name}.conv2", inner))
        if f"{name}.shortcut.0.weight" in self.weights:
            image = self.norms[f"{name}.shortcut.1"](self.conv(f"{name}.shortcut.0", image, stride, padding=0))
        return torch.relu(inner + image)

    def before(self, image: Tensor) -> Tensor:
        """Stem, two blocks of 64 channels, one that halves the image."""
        image = torch.relu(self.norms["norm"](self.conv("stem", image)))
        image = self.block("layer1.1", self.block("layer1.0", image))
        return self.block("layer2", image, stride=2)

    def after(self, thought: Tensor) -> Tensor:
        """Two blocks that halve the image to 4×4 pixels, their mean, and the classes."""
        thought = self.block("layer4", self.block("layer3", thought, stride=2), stride=2)
        assert thought.shape[2:] == (4, 4)
        return functional.linear(thought.mean(dim=(2, 3)), self.weights["linear.weight"], self.weights["linear.bias"])

    def outputs(self, image: Tensor, iterations: int) -> list[Tensor]:
        """The answer after every iteration, each read as soon as it is there."""
        thought, answers = self.before(image), []
        for _ in range(iterations):
            thought = self.block("repeated", thought)
            answers.append(self.after(thought))
        return answers

    def last(self, image: Tensor, iterations: int) -> Tensor:
        """The answer after the last iteration, and no other is read."""
        thought = self.before(image)
        for _ in range(iterations):
            thought = self.block("repeated", thought)
        return self.after(thought)

    def statistics(self) -> dict[str, Tensor]:
        """Running means and variances, and how many batches they have seen."""
        return {f"{name}.{key}": tensor for name, norm in self.norms.items() for key, tensor in norm.named_buffers()}


def test_the_papers_parameters():
    """Width 128 for 32×32 RGB images in ten classes: 1,300,810, of which 1,298,304 can be pruned."""
    model = RecurrentResNet()
    module = model.build(SHAPES)
    weights = dict(module.named_parameters())
    stem, early = 3 * 64 * 9, 4 * 64 * 64 * 9
    wide = 128 * 128 * 9
    blocks = (64 * 128 * 9 + wide + 64 * 128) + 2 * wide + 2 * (2 * wide + 128 * 128)
    linear = 128 * 10
    norms = 2 * (5 * 64 + 11 * 128)
    assert stem + early + blocks + linear + norms + 10 == 1_300_810
    assert sum(weight.numel() for weight in weights.values()) == 1_300_810
    assert sum(weights[name].numel() for name in model.prunable(module)) == stem + early + blocks + linear
    assert model == RecurrentResNet(width=128, iterations=5, statistics="every")


@pytest.mark.parametrize("statistics", ["every", "last"])
@pytest.mark.parametrize("iterations", [1, 3])
def test_evaluation_equals_a_straightforward_implementation(iterations: int, statistics):
    """With the running statistics; they stay as they are."""
    module = net(RecurrentResNet(WIDTH, iterations, statistics)).eval()
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad():
        expected = ByHand(module).last(images(), iterations)
        found = module(images())
    assert found.shape == (3, 10)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    for name, buffer in module.named_buffers():
        assert torch.equal(buffer, before[name])


@pytest.mark.parametrize("points", [(4, 1), (2,), (1, 2, 3, 4), (3, 3)])
def test_a_sweep_equals_separate_runs_in_the_order_asked_for(points: tuple[int, ...]):
    """Below and beyond the two iterations of training; the later stages run at the points only."""
    model = RecurrentResNet(WIDTH, iterations=2)
    module = net(model).eval()
    read: list[int] = []
    module.linear.register_forward_hook(lambda *_: read.append(1))
    with torch.no_grad():
        expected = ByHand(module).outputs(images(), 4)
        swept = module(images(), **model.sweep_call(points))
    torch.testing.assert_close(swept, torch.stack([expected[at - 1] for at in points]), rtol=1e-10, atol=1e-12)
    assert len(read) == len(set(points))
    assert not torch.allclose(expected[0], expected[3])


@pytest.mark.parametrize("statistics", ["every", "last"])
def test_running_statistics_are_those_of_hand_driven_norms(statistics):
    """Two training batches of three iterations: means, variances and counts of every norm, and both outputs."""
    module = net(RecurrentResNet(WIDTH, 3, statistics)).train()
    by_hand = ByHand(module, training=True)
    with torch.no_grad():
        for seed in (1, 2):
            batch = images(seed=seed)
            expected = by_hand.outputs(batch, 3)[-1] if statistics == "every" else by_hand.last(batch, 3)
            torch.testing.assert_close(module(batch), expected, rtol=1e-9, atol=1e-11)
    found = dict(module.named_buffers())
    assert set(found) == set(by_hand.statistics())
    for name, expected in by_hand.statistics().items():
        torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("statistics", "later"), [("every", 6), ("last", 2)])
def test_the_repeated_norms_are_shared_by_all_iterations(statistics, later: int):
    """Two batches of three iterations are six to the repeated block, two before it, and as documented after it."""
    module = RecurrentResNet(WIDTH, 3, statistics).build(SHAPES).train()
    with torch.no_grad():
        for _ in range(2):
            module(images(2).float())
    counts = {name: int(count) for name, count in module.named_buffers() if name.endswith("num_batches_tracked")}
    expected = {"norm": 2, "layer1": 2, "layer2": 2, "repeated": 6, "layer3": later, "layer4": later}
    assert counts == {name: expected[name.split(".")[0]] for name in counts}
    assert len(counts) == len(NORMS)


def test_statistics_change_nothing_about_a_training_step():
    """ "every" and "last" have the same output and gradient: the loss is that of the last iteration."""
    gradients = []
    for statistics in ("every", "last"):
        module = net(RecurrentResNet(WIDTH, 3, statistics)).train()
        output = module(images())
        gradients.append((output, *torch.autograd.grad(output.square().sum(), list(module.parameters()))))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("statistics", ["every", "last"])
def test_stacked_members_keep_the_statistics_that_single_ones_do(statistics):
    """Two members on batches of their own, in training: outputs, running statistics and counts."""
    model = RecurrentResNet(WIDTH, 2, statistics)
    modules = [net(model, seed) for seed in (0, 1)]
    batches = torch.stack([images(seed=3), images(seed=4)])
    targets = torch.zeros(batches.shape[:2], dtype=torch.int64)
    found = stacked_pass(model, modules, Blobs(shapes=SHAPES), batches, targets, {}, training=True)
    with torch.no_grad():
        for member, module in enumerate(modules):
            torch.testing.assert_close(found.outputs[0][member], module.train()(batches[member]), rtol=1e-9, atol=1e-11)
            for name, buffer in module.named_buffers():
                torch.testing.assert_close(found.buffers[name][member], buffer, rtol=1e-9, atol=1e-11)


def test_stacked_members_compute_what_single_ones_do():
    """In evaluation."""
    check_model(RecurrentResNet(WIDTH, iterations=2), SHAPES, batch=2)


def test_other_channels_and_classes():
    """Shapes are the task's: grey images in four classes."""
    module = RecurrentResNet(WIDTH, iterations=1).build(Shapes((1, 32, 32), 4))
    assert module.stem.weight.shape == (64, 1, 3, 3)
    assert module.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 4)
