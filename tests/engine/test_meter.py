"""A meter measures seconds and peak memory of a block."""

from __future__ import annotations

import gc
import sys
import time
import weakref
from types import SimpleNamespace

import pytest
import torch

from freeshot.engine.metering.meter import _joules, metered

CPU = torch.device("cpu")


def test_seconds_are_those_of_the_block() -> None:
    with metered(CPU) as meter:
        time.sleep(0.02)
    assert 0.02 <= meter.seconds < 5
    measured = meter.seconds
    time.sleep(0.01)
    assert meter.seconds == measured


def test_the_peak_includes_the_tensors_of_the_block() -> None:
    with metered(CPU) as meter:
        tensor = torch.ones(64 * 2**20, dtype=torch.uint8)
    assert meter.peak_bytes >= tensor.numel()


def test_a_failing_block_is_measured_as_well() -> None:
    with pytest.raises(KeyError), metered(CPU) as meter:
        raise KeyError
    assert meter.seconds > 0
    assert meter.peak_bytes > 0


def test_operations_are_those_of_the_block() -> None:
    a = torch.rand(3, 4)
    a @ a.T
    with metered(CPU) as meter:
        a @ a.T
    assert meter.flops == 2 * 3 * 4 * 3


def test_the_costs_of_interrupted_runs_are_counted() -> None:
    a = torch.rand(3, 4)
    with metered(CPU) as meter:
        a @ a.T
        meter.earlier = (100.0, 1000)
        seconds, flops = meter.so_far()
        assert 100 < seconds < 200
        assert flops == 1072
    assert meter.seconds > 100
    assert meter.flops == 1072


def test_gradients_and_steps_of_an_optimiser_are_recorded() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    with metered(CPU) as plain:
        (weight * 2).sum()
    assert not plain.gradients
    with metered(CPU) as by_hand:
        torch.autograd.grad((weight * 2).sum(), weight)
    assert by_hand.gradients
    weight.grad = torch.ones(3)
    with metered(CPU) as stepped:
        torch.optim.SGD([weight], lr=0.1).step()
    assert stepped.gradients
    with metered(CPU) as outer:
        with metered(CPU) as inner:
            pass
        (weight * 2).sum().backward()  # type: ignore[no-untyped-call]
    assert outer.gradients
    assert not inner.gradients


def test_an_optimiser_that_stepped_is_freed_within_the_block() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    with metered(CPU) as meter:
        optimizer = torch.optim.Adam([weight])
        optimizer.step()
        used = weakref.ref(optimizer)
        del optimizer
        gc.collect()
        assert used() is None
    assert meter.gradients


def test_energy_is_read_from_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 7_000 + handle,
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert _joules(torch.device("cuda", 2)) == 7.002
    monkeypatch.delattr(driver, "nvmlDeviceGetTotalEnergyConsumption")
    assert _joules(torch.device("cuda", 2)) is None


def test_a_cpu_reports_no_energy() -> None:
    with metered(CPU) as meter:
        pass
    assert meter.joules is None
