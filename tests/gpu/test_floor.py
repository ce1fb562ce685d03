"""The hand-written step trains: each member as an ordinary network and torch's Adam would."""

from __future__ import annotations

import torch
from torch.nn import functional

from benchmarks.gpu.floor import Floor
from benchmarks.gpu.machine import Machine


def test_each_member_moves_as_it_would_alone():
    """Three steps of two small members against two plain loops."""
    floor = Floor(Machine(rehearsal=True), fleet=2, batch=4, examples=20, sizes=(5, 4, 3))
    weights = [[part[member].detach().clone() for part in floor.weights] for member in range(2)]
    alone = []
    for member in range(2):
        parameters = [part.requires_grad_() for part in weights[member]]
        biases = [torch.zeros(4, requires_grad=True), torch.zeros(3, requires_grad=True)]
        adam = torch.optim.Adam([*parameters, *biases], lr=1.2e-3)
        for step in range(3):
            rows = floor.rows[step, member]
            hidden = (floor.inputs[rows] @ parameters[0] + biases[0]).relu()
            loss = functional.cross_entropy(hidden @ parameters[1] + biases[1], floor.targets[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
        alone.append(parameters)
    for _ in range(3):
        floor.step()
    for number, stacked in enumerate(floor.weights):
        torch.testing.assert_close(stacked.detach(), torch.stack([part[number].detach() for part in alone]))
    assert int(floor.at) == 3
