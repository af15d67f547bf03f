"""Train a data-free method on a pool, without a track, export its adapter, and measure what was gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.access_guard import access_blocked
from freeshot.basics.errors import ContractError, OptionError
from freeshot.basics.files import require_writable
from freeshot.engine.lora.adapted_learner import AdaptedLearner
from freeshot.pipeline.workbench import Bench, RestrictedWorkbench, adapter_left, no_adapter
from freeshot.pool.adapter_folder import export_adapter, require_free
from freeshot.workflows.contact_sheet import contact_sheet, save_sheet
from freeshot.workflows.recycle_gain import Gain, surrogate_gain
from freeshot.workflows.recycle_plan import RecyclePlan, resolve_recycling
from freeshot.workflows.recycle_request import RecycleRequest

if TYPE_CHECKING:
    from freeshot.contracts.tensors import Adapter
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.plugin.catalogue import Catalogue
    from freeshot.records.models import StageCost

__all__ = ["Job", "RecycleRequest", "RecycleResult", "plan_recycling"]


@dataclass(frozen=True, eq=False)
class RecycleResult:
    """A finished recycling."""

    adapter: Adapter
    backbone: Backbone
    stages: Sequence[StageCost]
    gains: tuple[Gain, ...]
    """On surrogates of held-out classes, and on the user's pictures, as far as they were measured."""
    facts: Mapping[str, Any]
    """How the adapter was made, for its card."""

    def save(self, folder: Path) -> None:
        """Write the adapter as PEFT's two files and a card."""
        export_adapter(folder, self.adapter, self.backbone, self.facts)


@dataclass(frozen=True, eq=False)
class Job(RecyclePlan):
    """A recycling that is ready to start."""

    def run(self) -> RecycleResult:
        """Prepare the method on the pool and write its adapter; an interrupted job resumes."""
        request = self.request
        if request.out is not None:
            require_writable(request.out, "--out")
        backbone = self.context.backbone(self.cell.spec.backbone)
        frozen = AdaptedLearner(backbone)
        before = self._on_pictures(frozen)  # first, because an unreadable picture must not be met after the training
        bench = Bench(self.context, self.cell, self.method)
        with access_blocked() as violations:
            learner = self.method.prepare(RestrictedWorkbench(bench))
        if violations:
            raise ContractError(str(violations))
        adapter = adapter_left(self.method, learner)
        if adapter is None:
            raise OptionError(no_adapter(self.method))
        adapted = AdaptedLearner(backbone, adapter)
        gains = [self._on_surrogates(bench, (frozen, adapted))] if bench.hidden else []
        if self.pictures is not None:
            tasks = self.pictures
            sizes = (tasks.way, tasks.shot, tasks.query)
            gains.append(Gain.of("pictures", len(tasks.images.classes), sizes, before, self._on_pictures(adapted)))
        measured = tuple(gain for gain in gains if gain is not None)
        result = RecycleResult(adapter, backbone, bench.stages, measured, self._facts(bench, measured))
        if request.out is not None:
            result.save(request.out)
            if request.sheets:
                patch = backbone.image_size // bench.patch_side()
                for surrogates in bench.recovered:
                    save_sheet(contact_sheet(surrogates, patch), request.out / "sheets" / f"{surrogates.source}.png")
        return result

    def _on_pictures(self, learner: AdaptedLearner) -> Sequence[float]:
        if self.pictures is None:
            return ()
        return self.pictures.score(self.context, self.cell.spec.backbone, learner)[0]

    def _on_surrogates(self, bench: Bench, learners: tuple[AdaptedLearner, AdaptedLearner]) -> Gain | None:
        track, device = self.cell.track, self.context.device
        sizes = (track.way, track.shot, track.query)
        return surrogate_gain(bench.recovered, bench.hidden, learners, sizes, device, self.cell.spec.seed)

    def _facts(self, bench: Bench, gains: Sequence[Gain]) -> dict[str, Any]:
        return {
            "pool": self.pool.name,
            "loras": len(self.pool),
            **self.identity,
            "preset": self.choices.preset,
            "data_free": self.cell.data_free,
            "seconds": {stage.stage: round(stage.seconds, 1) for stage in bench.stages},
            "gains": [gain.to_json() for gain in gains],
        }


def plan_recycling(request: RecycleRequest, catalogue: Catalogue) -> Job:
    """Resolve and validate the request before anything runs; StoreError if the output folder is not free."""
    job = Job(**vars(resolve_recycling(request, catalogue)))
    if request.out is not None:
        require_free(request.out, job.identity, overwrite=request.overwrite)
    return job
