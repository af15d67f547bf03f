"""Energy is the difference of counters, where there are any."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from freeshot.engine.metering.energy import Energy
from freeshot.engine.metering.meter import metered

CPU = torch.device("cpu")


def counter(folder: Path, number: str, name: str, value: int, most: int = 10_000_000) -> Path:
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(exist_ok=True)
    for file, text in {"name": name, "energy_uj": str(value), "max_energy_range_uj": str(most)}.items():
        (zone / file).write_text(f"{text}\n")
    return zone


def test_processors_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    for number, name in (("0", "package-0"), ("0:0", "core"), ("1", "package-1")):
        counter(tmp_path, number, name, 1_000_000)
    energy = Energy(CPU, tmp_path)
    for number, name in (("0", "package-0"), ("0:0", "core"), ("1", "package-1")):
        counter(tmp_path, number, name, 3_500_000)
    assert energy.joules() == 5.0


def test_a_counter_that_began_anew_is_continued(tmp_path: Path) -> None:
    counter(tmp_path, "0", "package-0", 9_000_000)
    energy = Energy(CPU, tmp_path)
    counter(tmp_path, "0", "package-0", 500_000)
    assert energy.joules() == 1.5


@pytest.mark.parametrize("content", ["", "many"])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, content: str) -> None:
    zone = counter(tmp_path, "0", "package-0", 1)
    (zone / "energy_uj").write_text(content)
    assert Energy(CPU, tmp_path).joules() is None
    assert Energy(CPU, tmp_path / "nowhere").joules() is None


def test_a_card_says_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([7_000, 7_000, 9_500])
    monkeypatch.setitem(
        sys.modules,
        "pynvml",
        SimpleNamespace(
            nvmlInit=lambda: None,
            nvmlDeviceGetHandleByIndex=lambda index: index,
            nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(told),
        ),
    )
    assert Energy(torch.device("cuda", 0), tmp_path).joules() == 2.5


def test_a_meter_asks_for_it() -> None:
    with metered(CPU) as meter:
        pass
    assert meter.joules is None or meter.joules >= 0
