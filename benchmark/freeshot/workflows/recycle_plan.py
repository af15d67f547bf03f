"""Resolve a request of `freeshot recycle` before anything runs: pool, method, preset, prior, held-out classes, cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError, PoolError
from freeshot.basics.seeds import stream
from freeshot.cache.artifacts import Artifact
from freeshot.contracts.component import build, options_of
from freeshot.contracts.method import Method, Needs
from freeshot.contracts.pool import LoraPool
from freeshot.contracts.tracks import Row, Track
from freeshot.engine.devices import choose_device
from freeshot.engine.inversion.prior_network import available_prior
from freeshot.launch.preflight import require_parts_ready
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.resolve import PlannedCell, backbone_spec, resolve_cell
from freeshot.pipeline.task_sampler import hidden_classes
from freeshot.pool.locate import PoolLocation, find_pool
from freeshot.pool.store import open_pool
from freeshot.workflows.own_pictures import PictureTasks, TaskSizes, open_picture_tasks
from freeshot.workflows.recycle_cost import CostMeter
from freeshot.workflows.recycle_presets import choose_preset, is_set, preset_row, presets_of, with_prior
from freeshot.workflows.recycle_request import Choices, RecycleRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freeshot.engine.vit.backbone import Backbone
    from freeshot.plugin.catalogue import Catalogue

CHOICE = "preset"
"""Stage under which the chosen preset of a run is cached."""


@dataclass(frozen=True, eq=False)
class RecyclePlan:
    """A validated recycling with everything it needs, opened."""

    request: RecycleRequest
    context: RunContext
    cell: PlannedCell
    pool: LoraPool
    method: Method
    choices: Choices
    pictures: PictureTasks | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The facts of the adapter by which this run is recognised when it is repeated."""
        spec, track = self.cell.spec, self.cell.track
        return {
            "pool_sha256": self.pool.sha256,
            "method": spec.method.model_dump(mode="json"),
            "components": {name: component.model_dump(mode="json") for name, component in spec.components.items()},
            "seed": spec.seed,
            "precision": spec.precision,
            "way": track.way,
            "shot": track.shot,
        }


def resolve_recycling(request: RecycleRequest, catalogue: Catalogue) -> RecyclePlan:
    """Resolve and validate the request, and choose what it leaves open."""
    location = _location(request, catalogue)
    pool = open_pool(location.folder)
    context = RunContext(
        catalogue, request.cache, Path("data"), choose_device(request.device), request.precision, request.pools
    )
    context.own_pools[pool.name] = location.folder
    return _Planner(request, context, pool, _method_name(request, catalogue)).plan()


def _location(request: RecycleRequest, catalogue: Catalogue) -> PoolLocation:
    location = find_pool(request.pool, catalogue, request.pools)
    if location.part or "+" in request.pool:
        raise OptionError(f"'{request.pool}' is a part or a variant of a pool. Choose '{location.name}' itself.")
    return location


def _method_name(request: RecycleRequest, catalogue: Catalogue) -> str:
    if request.method:
        return request.method
    suites = catalogue.suites()
    suite = suites.get(request.preset or "") or catalogue.main_suite()
    if suite is None or suite.pair is None:
        raise OptionError("No installed suite has a default method. Set --method.")
    return suite.pair[0]


@dataclass(frozen=True, eq=False)
class _Planner:
    """Resolves one request; presets are compared on the same opened backbone and pool."""

    request: RecycleRequest
    context: RunContext
    pool: LoraPool
    method: str

    def plan(self) -> RecyclePlan:
        """Resolve the requested preset, or all of them to choose one."""
        request, catalogue = self.request, self.context.catalogue
        if request.preset is None:
            cls: Any = catalogue.component("method", self.method)
            names = list(presets_of(cls, self._image_size))
        else:
            names = [request.preset]
        planned = {name: self._cell(name) for name in names}
        require_parts_ready(planned[names[0]][0], self.context)
        backbone = self.context.backbone(backbone_spec(catalogue, self._track.backbone))
        pool = self.context.pool(self.pool.name, backbone)  # now with the backbone's hash checked
        pictures = None
        if request.images is not None:
            sizes = TaskSizes(shot=request.shot, seed=request.seed)
            pictures = open_picture_tasks(request.images, backbone.image_size, sizes, request.cache)
        meter = CostMeter(self.context, pool)
        costs = {name: meter.estimate(cell) for name, (cell, _, _) in planned.items()}
        seconds = {name: None if cost is None else cost.seconds for name, cost in costs.items()}
        chosen, repeated = (request.preset, False) if request.preset else self._chosen(seconds, backbone, pool)
        cell, method, notes = planned[chosen]
        require_parts_ready(cell, self.context)
        compared = seconds if request.preset is None and len(seconds) > 1 else {}
        choices = Choices(chosen, costs[chosen], compared, repeated, notes)
        return RecyclePlan(request, self.context, cell, pool, method, choices, pictures)

    def _chosen(self, seconds: Mapping[str, float | None], backbone: Backbone, pool: LoraPool) -> tuple[str, bool]:
        """Choose a preset, once: a repeated run resumes the first one, even if the machine is busier by then.

        Return also whether an earlier run chose it.
        """
        request, artifacts = self.request, self.context.artifacts
        recipe = {
            "method": [self.method, sorted(request.options)],
            "pool": pool.sha256,
            "backbone": backbone.identity,
            "run": [request.shot, request.query, request.seed, request.budget],
            "device": backbone.device.type,
        }
        if (earlier := artifacts.load(CHOICE, recipe)) is not None and earlier.facts["preset"] in seconds:
            return str(earlier.facts["preset"]), True
        chosen = choose_preset(seconds, request.budget)
        artifacts.save(CHOICE, recipe, Artifact({}, {"preset": chosen}))
        return chosen, False

    def _cell(self, preset: str) -> tuple[PlannedCell, Method, tuple[str, ...]]:
        """Resolve a preset into a cell, with sentences about what was chosen."""
        request, catalogue = self.request, self.context.catalogue
        row = preset_row(preset, self.method, request.options, self._image_size, catalogue)
        row, about_prior = with_prior(row, preset, self._image_size, available_prior(), catalogue)
        row, about_classes = self._with_classes_left(row)
        cell, method = resolve_cell(catalogue, "own", row, self._track, seed=request.seed, precision=request.precision)
        if more := cell.needs - {Needs.POOL}:
            needs = ", ".join(sorted(need.value for need in more))
            raise OptionError(f"Method '{method.name}' needs more than a pool: {needs}. Choose a data-free one.")
        return cell, method, tuple(filter(None, (about_prior, about_classes)))

    def _with_classes_left(self, row: Row) -> tuple[Row, str]:
        """Hold no classes out of a pool that is too small for it; PoolError if the user asks for it."""
        method = self.context.catalogue.component("method", self.method)
        if "held_out" not in options_of(method):
            return row, ""
        share = getattr(build(method, row.options), "held_out", 0.0)
        if not share:
            return row, "No classes are held out to measure the gain; -o held_out=0.1 holds a tenth out of training."
        try:
            self._require_classes_left(share)
        except PoolError:
            if is_set(self.request.options, "held_out"):
                raise
        else:
            return row, ""
        count = len({class_id for entry in self.pool for class_id in entry.class_ids})
        reason = (
            f"No classes are held out to measure the gain: the pool has only {count} for {self._track.way}-way tasks. "
            "--images DIR measures it on your pictures."
        )
        return Row(row.method, {**row.options, "held_out": 0.0}), reason

    def _require_classes_left(self, share: float) -> None:
        """Require that holding out classes leaves tasks of one LoRA and of several; PoolError otherwise."""
        rng = stream(self.request.seed, "held-out classes")
        hidden = hidden_classes(self.pool.entries, share, self._track.way, rng)
        if not any(len(set(entry.class_ids) - hidden) > 1 for entry in self.pool):
            raise PoolError("No LoRA has two classes left to make a task of. Lower held_out.")

    @property
    def _track(self) -> Track:
        """The shape of the tasks to train for; it has no data set."""
        request, pool = self.request, self.pool
        way = min(len(entry.classes) for entry in pool)
        name = f"recycle {pool.name}"
        backbone = request.backbone or pool.backbone
        return Track(name, "", pool.name, (), backbone, way=way, shot=request.shot, query=request.query)

    @property
    def _image_size(self) -> int:
        catalogue = self.context.catalogue
        size: int = self.context.component(backbone_spec(catalogue, self._track.backbone)).image_size()
        return size
