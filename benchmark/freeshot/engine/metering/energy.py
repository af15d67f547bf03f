"""Energy counters of CPU (RAPL) and GPU (NVML), where the machine has them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

RAPL = Path("/sys/class/powercap")
"""Linux folder with the energy counters of Intel and AMD CPUs; reading may need permission."""


class Energy:
    """Energy counters, read on construction and again by `joules`."""

    def __init__(self, device: torch.device, rapl: Path = RAPL) -> None:
        self._packages = _packages(rapl)
        self._began = {zone: _microjoules(zone) for zone in self._packages}
        self._card = _card(device) if device.type == "cuda" else None
        self._card_began = self._card() if self._card else 0.0

    def joules(self) -> float | None:
        """Return the energy used since construction, CPU plus GPU; None if no counter is available."""
        found = [self._taken(zone) for zone in self._packages]
        if self._card is not None:
            found.append(self._card() - self._card_began)
        return sum(found) if found else None

    def _taken(self, zone: Path) -> float:
        taken = _microjoules(zone) - self._began[zone]
        if taken < 0:  # the counter wrapped around
            taken += _microjoules(zone, "max_energy_range_uj")
        return taken / 1e6


def _packages(rapl: Path) -> list[Path]:
    """List the readable counters of CPU packages; their subzones are included in them."""
    found = []
    for zone in sorted(rapl.glob("intel-rapl:*")):
        try:
            whole = (zone / "name").read_text().startswith("package")
            _microjoules(zone)
            _microjoules(zone, "max_energy_range_uj")
        except (OSError, ValueError):
            continue
        if whole:
            found.append(zone)
    return found


def _microjoules(zone: Path, name: str = "energy_uj") -> int:
    return int((zone / name).read_text())


def _card(device: torch.device) -> Any:
    """Return a function that reads the GPU's energy counter in joules; None if the driver has none."""
    try:
        pynvml = import_module("pynvml")
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # noqa: BLE001 - drivers and GPUs report missing support differently
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
