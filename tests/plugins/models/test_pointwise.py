"""Which functions compute the gates of a step."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ticketbench_models import gates, pointwise
from ticketbench_models.pointwise import pointwise_for


def test_a_cpu_takes_torchs_operations(monkeypatch):
    """Even where kernels could be interpreted."""
    monkeypatch.setattr(pointwise, "runs_kernels", lambda device: True)
    assert pointwise_for(torch.zeros(1)) is gates


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton")
def test_a_gpu_takes_kernels_where_they_run(monkeypatch):
    """For fp32; of tensors that only say that they are on a GPU."""
    from ticketbench_models import gate_launches

    with FakeTensorMode():
        single, double = (torch.zeros(1, device="cuda", dtype=kind) for kind in (torch.float32, torch.float64))
    for runs, expected in ((True, gate_launches), (False, gates)):
        monkeypatch.setattr(pointwise, "runs_kernels", lambda device, runs=runs: runs)
        assert pointwise_for(single) is expected
        assert pointwise_for(double) is gates


def test_models_do_not_import_triton():
    """It need not be there."""
    code = "import sys, ticketbench_models; print('triton' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
