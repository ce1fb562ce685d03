"""Where kernels run, and what is said where they do not."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from ticketbench.kernels.presence import kernel_way, lacks_for_kernels, runs_kernels

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def test_on_a_cpu_torch_computes(monkeypatch):
    """Unless the interpreter is asked for."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not runs_kernels(CPU)
    assert kernel_way(CPU) == "torch"
    assert lacks_for_kernels(CPU) == "kernels run on GPUs; on a CPU only with TRITON_INTERPRET=1"


def test_in_the_interpreter_kernels_run(interpreted):
    """The variable is set before Triton is imported."""
    assert interpreted(kernel_way, CPU)[0] == "triton"
    assert interpreted(lacks_for_kernels, CPU)[0] == ""


def test_the_interpreter_is_for_the_cpu_and_kernels_for_cuda(monkeypatch):
    """Whatever else the device may be."""
    assert lacks_for_kernels(torch.device("meta")) == "kernels run on CUDA devices, not on meta"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert lacks_for_kernels(GPU).startswith("TRITON_INTERPRET=1 interprets kernels on the CPU")


def said(code: str) -> list[str]:
    """What a fresh process prints."""
    begin = "import os; os.environ.pop('TRITON_INTERPRET', None)\n"
    return subprocess.run(
        [sys.executable, "-c", begin + code], capture_output=True, text=True, check=True
    ).stdout.split("\n")


def test_triton_is_imported_only_where_it_could_be_used_and_need_not_be_there():
    """Neither the public names, nor an update on a CPU bring it; without it torch computes, and the reason is said."""
    brought, way, reason, _ = said("""
import sys, ticketbench, torch
from ticketbench.kernels.pace import Pace
from ticketbench.kernels.presence import kernel_way, lacks_for_kernels
from ticketbench.kernels.update import sgd_
one = torch.ones(1)
sgd_(torch.ones(1, 2), torch.ones(1, 2), None, None, Pace(one.bool(), one, one, one))
print("triton" in sys.modules)
sys.modules["triton"] = None
print(kernel_way(torch.device("cuda", 0)))
print(lacks_for_kernels(torch.device("cuda", 0)))
""")
    assert (brought, way) == ("False", "torch")
    assert reason.startswith("triton cannot be imported (")
    assert reason.endswith("; pip install triton")


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton")
@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels run here")
def test_where_a_first_kernel_fails_torch_computes_and_the_reason_is_said(monkeypatch):
    """Here for want of a GPU; elsewhere for want of a compiler, or on a GPU that is too old."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert lacks_for_kernels(GPU).startswith("triton is there, but a first kernel failed: ")
    assert kernel_way(GPU) == "torch"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_kernels_run():
    """With Triton and a compiler."""
    assert lacks_for_kernels(GPU) == ""
