"""Cores are counted if this process may use them, as far as the system reports it."""

from __future__ import annotations

import os

import pytest

from freeshot.basics.system import usable_cores


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return a machine of 16 cores that reports nothing else."""
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    return monkeypatch


def test_all_cores_count_if_nothing_else_is_reported(machine: pytest.MonkeyPatch) -> None:
    assert usable_cores() == 16
    machine.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_cores_of_other_processes_do_not_count(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert usable_cores() == 3


def test_the_count_of_python_itself_takes_precedence(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    machine.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert usable_cores() == 2
