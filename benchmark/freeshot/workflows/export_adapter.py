"""Train a data-free method on a pool, without a track, and export its adapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freeshot.basics.access_guard import access_blocked
from freeshot.basics.errors import ContractError, OptionError
from freeshot.basics.files import require_writable
from freeshot.contracts.method import Method, Needs
from freeshot.contracts.pool import LoraPool
from freeshot.contracts.tracks import Track
from freeshot.engine.devices import choose_device
from freeshot.launch.plan import row_for
from freeshot.launch.preflight import require_parts_ready
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.resolve import PlannedCell, resolve_cell
from freeshot.pipeline.workbench import Bench, RestrictedWorkbench, adapter_left, no_adapter
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.adapter_folder import export_adapter
from freeshot.pool.locate import find_pool
from freeshot.pool.store import open_pool
from freeshot.records.models import Precision, StageCost
from freeshot.workflows.contact_sheet import contact_sheet, save_sheet


@dataclass(frozen=True)
class RecycleRequest:
    """The arguments of `freeshot recycle`."""

    pool: str
    out: Path
    method: str | None = None
    """Default: the first of the compared pair of methods of the preset, or of the main suite."""
    options: tuple[str, ...] = ()
    preset: str | None = None
    """Suite whose scaled options are used; None uses the method's own defaults, the paper's."""
    shot: int = 1
    query: int = 15
    seed: int = 0
    backbone: str | None = None
    cache: Path = field(default_factory=lambda: Path(".freeshot"))
    device: str = "cpu"
    precision: Precision = "fp32"
    """Of the frozen backbone's passes."""
    sheets: bool = False
    """Also save the surrogates of each LoRA as a contact sheet."""


@dataclass(frozen=True, eq=False)
class Job:
    """A validated recycling that is ready to start."""

    request: RecycleRequest
    context: RunContext
    cell: PlannedCell
    pool: LoraPool
    method: Method

    def run(self) -> list[StageCost]:
        """Prepare the method on the pool and write its adapter; an interrupted job resumes."""
        require_writable(self.request.out, "--out")
        bench = Bench(self.context, self.cell, self.method)
        with access_blocked() as violations:
            learner = self.method.prepare(RestrictedWorkbench(bench))
        if violations:
            raise ContractError(str(violations))
        adapter = adapter_left(self.method, learner)
        if adapter is None:
            raise OptionError(no_adapter(self.method))
        backbone = self.context.backbone(self.cell.spec.backbone)
        export_adapter(self.request.out, adapter, backbone, self._facts(bench))
        if self.request.sheets:
            patch = backbone.image_size // bench.patch_side()
            for surrogates in bench.recovered:
                save_sheet(contact_sheet(surrogates, patch), self.request.out / "sheets" / f"{surrogates.source}.png")
        return bench.stages

    def _facts(self, bench: Bench) -> dict[str, Any]:
        return {
            "pool": self.pool.name,
            "pool_sha256": self.pool.sha256,
            "loras": len(self.pool),
            "method": self.cell.spec.method.model_dump(mode="json"),
            "components": {
                name: component.model_dump(mode="json") for name, component in self.cell.spec.components.items()
            },
            "seed": self.cell.spec.seed,
            "precision": self.cell.spec.precision,
            "way": self.cell.track.way,
            "shot": self.cell.track.shot,
            "data_free": self.cell.data_free,
            "seconds": {stage.stage: round(stage.seconds, 1) for stage in bench.stages},
        }


def plan_recycling(request: RecycleRequest, catalogue: Catalogue) -> Job:
    """Resolve and validate the request before anything runs."""
    location = find_pool(request.pool, catalogue)
    if location.part or "+" in request.pool:
        raise OptionError(f"'{request.pool}' is a part of a pool, or a poisoned one. Choose '{location.name}' itself.")
    pool = open_pool(location.folder)
    ways = {len(entry.classes) for entry in pool.entries}
    track = Track(
        name=f"own/{pool.name}/{min(ways)}w{request.shot}s",
        dataset="",
        pool=pool.name,
        sources=(),
        backbone=request.backbone or pool.backbone,
        way=min(ways),
        shot=request.shot,
        query=request.query,
    )
    suite = catalogue.main_suite() if request.preset is None else catalogue.suite(request.preset)
    name = request.method or (suite and suite.pair and suite.pair[0])
    if not name:
        raise OptionError("No installed suite has a default method. Set --method.")
    row = row_for(name, request.options, request.preset, catalogue)
    cell, method = resolve_cell(catalogue, "own", row, track, seed=request.seed, precision=request.precision)
    if more := cell.needs - {Needs.POOL}:
        needs = ", ".join(sorted(need.value for need in more))
        raise OptionError(f"Method '{method.name}' needs more than a pool: {needs}. Choose a data-free one.")
    context = RunContext(catalogue, request.cache, Path("data"), choose_device(request.device), request.precision)
    context.own_pools[pool.name] = location.folder
    require_parts_ready(cell, context)
    pool = context.pool(pool.name, context.backbone(cell.spec.backbone))  # now with the backbone's hash checked
    return Job(request, context, cell, pool, method)
