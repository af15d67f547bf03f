"""Cores are those that this process may use, by what the system can tell."""

from __future__ import annotations

import os

import pytest

from freeshot.basics.system import usable_cores


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Return a machine of 16 cores that can tell nothing else."""
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    return monkeypatch


def test_where_nothing_else_is_known_all_cores_count(machine: pytest.MonkeyPatch) -> None:
    assert usable_cores() == 16
    machine.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_cores_of_other_processes_do_not_count(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert usable_cores() == 3


def test_python_itself_knows_best(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    machine.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert usable_cores() == 2
