"""The honest plain versions: what a good researcher would write without ticketbench."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset


def mlp() -> nn.Module:
    """784-300-100-10."""
    return nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))


def masks_of(model: nn.Module) -> list[tuple[nn.Parameter, Tensor]]:
    """A random mask of a fifth of the weights, on every matrix."""
    pairs = [(weight, (torch.rand_like(weight) < 0.2).float()) for weight in model.parameters() if weight.ndim > 1]
    with torch.no_grad():
        for weight, mask in pairs:
            weight.mul_(mask)
    return pairs


def train_in_memory(inputs: Tensor, targets: Tensor, steps: int, batch: int) -> int:
    """One network, data in memory, fused Adam, gradients masked."""
    model = mlp()
    masks = masks_of(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1.2e-3, fused=True)
    order = torch.randperm(len(inputs))
    for step in range(steps):
        at = step * batch % (len(inputs) - batch + 1)
        index = order[at : at + batch]
        loss = functional.cross_entropy(model(inputs[index]), targets[index])
        optimizer.zero_grad()
        loss.backward()
        for weight, mask in masks:
            weight.grad.mul_(mask)
        optimizer.step()
    return steps


class Images(Dataset):
    """Bytes as they lie in the file; each example is turned into a normalised vector when it is asked for."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.images = (inputs * 255).to(torch.uint8).view(-1, 28, 28).numpy()
        self.targets = targets.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(self.images[index]).unsqueeze(0).float().div(255)
        return image.sub(0.1307).div(0.3081).flatten(), self.targets[index]


def train_with_loader(dataset: Dataset, steps: int, batch: int) -> int:
    """One network, a DataLoader over a dataset of single examples, Adam, weights masked after each step."""
    model = mlp()
    masks = masks_of(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1.2e-3)
    loader = DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=0)
    done = 0
    while done < steps:
        for examples, labels in loader:
            optimizer.zero_grad()
            functional.cross_entropy(model(examples), labels).backward()
            optimizer.step()
            with torch.no_grad():
                for weight, mask in masks:
                    weight.mul_(mask)
            done += 1
            if done == steps:
                break
    return steps


class PlainBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv2(functional.relu(self.conv1(x))) + x)


class PlainDTNet(nn.Module):
    """DT-Net 1D the way its authors train it: recall by concatenation, the head at every iteration."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Conv1d(1, width, 3, padding=1, bias=False), nn.ReLU())
        recall = nn.Conv1d(width + 1, width, 3, padding=1, bias=False)
        self.recur = nn.Sequential(recall, nn.ReLU(), PlainBlock(width), PlainBlock(width))
        self.head = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv1d(width, width // 2, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv1d(width // 2, 2, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor, iterations: int, thought: Tensor | None = None) -> tuple[Tensor, Tensor]:
        thought = self.projection(x) if thought is None else thought
        outputs = torch.zeros(len(x), iterations, 2, x.shape[2])
        for at in range(iterations):
            thought = self.recur(torch.cat([thought, x], 1))
            out = self.head(thought)
            outputs[:, at] = out
        return out, thought


def train_dtnet_as_its_authors(
    inputs: Tensor, targets: Tensor, steps: int, batch: int, width: int, iterations: int, draws: list[tuple[int, int]]
) -> int:
    """The progressive loss alone (alpha = 1); the full pass is still run every step, for the training accuracy."""
    model = PlainDTNet(width)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=batch, shuffle=True, drop_last=True)
    done, correct = 0, 0
    while done < steps:
        for examples, labels in loader:
            optimizer.zero_grad()
            full, _ = model(examples, iterations)
            start, count = draws[done % len(draws)]
            thought = model(examples, start)[1].detach() if start else None
            out, _ = model(examples, count, thought)
            functional.cross_entropy(out, labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            correct += int((full.argmax(1) == labels).all(1).sum())
            done += 1
            if done == steps:
                break
    return steps


def progressive_draws(count: int, iterations: int) -> list[tuple[int, int]]:
    """(n, k) of each step, from a fixed seed."""
    source = Random(0)
    starts = [source.randrange(iterations) for _ in range(count)]
    return [(start, source.randint(1, iterations - start)) for start in starts]
