"""The workbench at which a method prepares: it provides exactly what was declared, and no test image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from freeshot.basics.access_guard import refuse
from freeshot.basics.errors import ContractError, EpisodeError, OptionError, UndeclaredError
from freeshot.basics.files import tensors_sha256
from freeshot.basics.seeds import derive, stream
from freeshot.cache.artifacts import Artifact
from freeshot.contracts.component import Choice
from freeshot.contracts.dataset import Images
from freeshot.contracts.meta_learner import TaskStream
from freeshot.contracts.method import Learner, Method, Needs, Workbench
from freeshot.contracts.pool import LoraPool
from freeshot.contracts.tensors import Adapter, Checkpoint, Shots, SurrogateSet, Task, ValidationEpisode
from freeshot.engine.inversion.black_box import QueryOracle
from freeshot.engine.inversion.teacher import patch_side
from freeshot.engine.lora.adapted_learner import AdaptedLearner, with_adapter
from freeshot.engine.lora.meta_model import SharedLora, sum_of
from freeshot.engine.vit.backbone import Backbone
from freeshot.evaluation.episodes import draw_episodes, require_enough
from freeshot.evaluation.scoring import read_images
from freeshot.pipeline.context import RunContext
from freeshot.pipeline.pool_inversion import PoolInversion
from freeshot.pipeline.resolve import PlannedCell, resolve
from freeshot.pipeline.stages import Stages
from freeshot.pipeline.task_sampler import ImageSource, SurrogateSource, Tasks, TaskShape, hidden_classes
from freeshot.records.models import StageCost

VALIDATION_TASKS = 100
"""Number of validation tasks of held-out surrogate classes for a meta-learner."""


@dataclass(eq=False)
class Bench:
    """The workbench of one cell's method; implements `freeshot.Workbench`."""

    _context: RunContext
    cell: PlannedCell
    method: Method
    recovered: Sequence[SurrogateSet] = ()
    """Result of the last inversion."""
    hidden: frozenset[int] = frozenset()
    """Ids of the classes that the last surrogate tasks held out of training."""
    oracles_given: list[QueryOracle] = field(default_factory=list)
    """The oracles that the method received; they count their queries."""
    origin: str = ""
    """Provider of the method, if it is not the cell's own."""
    base: Adapter | None = None
    """The adapter of the base method, if there is one."""

    def __post_init__(self) -> None:
        self.track = track = self.cell.track
        self.way, self.shot, self.query = self._sizes = [track.way, track.shot, track.query]
        self._backbone: Backbone = self._context.backbone(self.cell.spec.backbone)
        self._seed = self.cell.spec.seed
        self.ledger = Stages(self.cell, self._context.artifacts, self._backbone.device, self._context.emit)

    @property
    def stages(self) -> list[StageCost]:
        """Costs of the stages so far."""
        return self.ledger.costs

    # --- available to every method --------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """The device of the backbone."""
        return self._backbone.device

    def backbone(self) -> nn.Module:
        """Return a fresh, trainable copy of the backbone that maps images in 0…1 to features [b, d]."""
        return replace(self._backbone, vit=AdaptedLearner(self._backbone, self.base).network).trainable_copy()

    def frozen(self) -> Learner:
        """Return the learner that embeds with the backbone, including the base method's adapter."""
        return AdaptedLearner(self._backbone, self.base)

    def adapted(self, adapter: Adapter) -> Learner:
        """Return the learner that embeds with the backbone and this adapter."""
        return AdaptedLearner(self._backbone, adapter)

    def rng(self, *names: object) -> Generator:
        """Return a new generator for the random stream of this name."""
        return stream(self._seed, self.method.name, *names)

    def cached_json(
        self, stage: str, recipe: Mapping[str, object], make: Callable[[], Mapping[str, object]]
    ) -> Mapping[str, object]:
        """Return the cached result of `make()` for this recipe, or compute it; a JSON mapping."""
        full = {"recipe": dict(recipe), **self._given()}
        facts: Mapping[str, object] = self.ledger.artifact(stage, full, lambda *_: Artifact({}, dict(make())), 0).facts
        return facts

    def cached_tensors(
        self,
        stage: str,
        recipe: Mapping[str, object],
        make: Callable[[Callable[[int, int], None]], Mapping[str, Tensor]],
    ) -> Mapping[str, Tensor]:
        """Return the cached tensors of `make(report)` for this recipe, or compute them, as a stage."""
        full = {"method": self.method.name, "recipe": dict(recipe), **self._given()}
        full["surrogates"] = [_digest(surrogate) for surrogate in self.recovered]
        result = self.ledger.artifact(stage, full, lambda report, _: Artifact(dict(make(report)), {}), 0, learns=True)
        return result.tensors

    # --- the base method --------------------------------------------------------------------------

    def with_base(self, method: Choice) -> Bench:
        """Return a workbench whose network is the result of another method; this one if that changes nothing."""
        if not method.selects:
            return self
        spec, other = resolve(self._context.catalogue, method)
        if other == self.method:  # a method based on itself has no base
            return self
        if reason := other.skip(self.track):
            raise OptionError(f"Method '{other.name}' skips this track and cannot be the base of another. {reason}")
        adapter = adapter_left(other, other.prepare(RestrictedWorkbench(self._beside(other, spec.origin, None))))
        return self if adapter is None else self._beside(self.method, self.origin, adapter)

    def _beside(self, method: Method, origin: str, base: Adapter | None) -> Bench:
        """Return another workbench of the same cell, sharing ledger and oracles."""
        bench = Bench(self._context, self.cell, method, (), frozenset(), self.oracles_given, origin, base)
        bench.ledger = self.ledger
        return bench

    # --- the pool and its surrogates ------------------------------------------------------------

    def pool(self) -> LoraPool:
        """Return the LoRAs of the track's pool."""
        self._require(Needs.POOL)
        return self._context.pool(self.track.pool, self._backbone)

    def oracles(self) -> Sequence[QueryOracle]:
        """Return the LoRAs as services that return logits only."""
        self._require(Needs.QUERIES)
        pool = self._context.pool(self.track.pool, self._backbone)
        oracles = tuple(QueryOracle(self._backbone, entry) for entry in pool.entries)
        self.oracles_given += oracles
        return oracles

    def surrogates(self, inversion: Choice, strategy: Choice, per_class: int, batch: int = 0) -> Sequence[SurrogateSet]:
        """Invert every LoRA of the pool, or load cached surrogates; by queries, if only those were declared."""
        pool = self._asked_or_open()
        inverting, pruning = (resolve(self._context.catalogue, choice) for choice in (inversion, strategy))
        components, specs = (inverting.component, pruning.component), (inverting.spec, pruning.spec)
        query_only = Needs.POOL not in self.method.needs
        settings = (*components, specs, per_class, batch, self._seed, query_only)
        self.recovered = PoolInversion(self._backbone, pool, *settings).run(self.ledger)
        return self.recovered

    def surrogate_tasks(
        self,
        surrogates: Sequence[SurrogateSet],
        lora_share: float,
        *,
        flip: bool,
        held_out: float = 0.0,
        way: int = 0,
        shot: int = 0,
    ) -> Tasks:
        """Mix tasks of one LoRA (with its logits) and of classes across LoRAs (labels only)."""
        pool = self._asked_or_open()
        where = (self.patch_side(), self._backbone.device)
        shape = self._task_shape(way, shot)
        hidden: frozenset[int] = frozenset()
        validation: list[Task] = []
        if held_out:
            hidden = hidden_classes(surrogates, held_out, shape.way, stream(self._seed, "held-out classes"))
            shown = {i for s in surrogates for i in s.class_ids} - hidden
            unseen = SurrogateSource(surrogates, shape, 0, *where, flip=False, hidden=shown)
            validation = list(Tasks(unseen.draw, {}, derive(self._seed, "held-out tasks")).take(VALIDATION_TASKS))
        self.hidden = hidden
        source = SurrogateSource(surrogates, shape, lora_share, *where, flip=flip, hidden=hidden)
        recipe = {
            "source": "surrogates",
            "loras": [pool.sha256, [s.source for s in surrogates]],
            "images": [_digest(s) for s in surrogates],
            "lora_share": lora_share,
            "flip": flip,
            "shape": list(astuple(shape)),
            **({"held_out": held_out} if held_out else {}),
        }
        return Tasks(source.draw, recipe, derive(self._seed, "meta"), held_out=validation)

    # --- real images, for ceilings and for choosing settings ------------------------------------

    def base_tasks(self, *, flip: bool, way: int = 0, shot: int = 0) -> Tasks:
        """Draw tasks from the real base images of the pool's data sets."""
        self._require(Needs.BASE_IMAGES)
        images = [self._images(name, "base") for name in self.track.sources]
        shape = self._task_shape(way, shot)
        source = ImageSource(images, shape, self._backbone.device, flip=flip)
        recipe = {"source": "base", "images": [i.sha256 for i in images], "flip": flip, "shape": list(astuple(shape))}
        return Tasks(source.draw, recipe, derive(self._seed, "meta"))

    def validation_episodes(self, count: int) -> Sequence[ValidationEpisode]:
        """Draw labelled tasks from the validation classes of the pool's data sets, the same for all methods."""
        self._require(Needs.VALIDATION)
        trials = []
        sources = [self._images(name, "validation") for name in self.track.sources]
        for name, images in zip(self.track.sources, sources, strict=True):
            require_enough(replace(self.track, dataset=name, split="validation"), images)
        for number, images in enumerate(sources):
            share = count // len(sources) + (number < count % len(sources))
            seed = derive(0, "validation trials", images.sha256)
            labels = torch.as_tensor(images.labels).numpy()
            for episode in draw_episodes(labels, self.way, self.shot, self.query, seed, share):
                support, query = (self._shots(images, part) for part in (episode.support, episode.query))
                trials.append(ValidationEpisode(support, query, self.way))
        if not trials:
            raise EpisodeError(f"Track '{self.track.name}' has no validation classes to draw trials from.")
        return trials

    # --- meta-learning --------------------------------------------------------------------------

    def meta_learn(
        self,
        learner: Choice,
        tasks: TaskStream,
        rank: int,
        targets: Sequence[str] = ("q", "v"),
        base: Adapter | None = None,
    ) -> Adapter:
        """Train one meta-LoRA on the targets with a meta-learner, or load the cached one; add it to `base`."""
        if not isinstance(tasks, Tasks):
            raise ContractError("meta_learn needs the tasks of surrogate_tasks or base_tasks, which have a recipe.")
        spec, meta_learner = resolve(self._context.catalogue, learner)
        recipe = {
            "learner": spec.recipe(),
            "tasks": dict(tasks.recipe),
            "rank": rank,
            "targets": list(targets),
            "backbone": self._backbone.identity,
            "seed": self._seed,
            **({} if base is None else {"base": tensors_sha256(base.tensors)}),
        }

        def make(report: Callable[[int, int], None], state: Checkpoint) -> Artifact:
            tasks.on_step, tasks.checkpoint = report, state
            model = SharedLora(with_adapter(self._backbone, base), rank, stream(self._seed, "meta", "init"), targets)
            rng = stream(self._seed, "meta", "learner")
            adapter: Adapter = meta_learner.fit(model, tasks, rng)
            return Artifact(dict(adapter.tensors), dict(adapter.facts))

        artifact = self.ledger.artifact("meta-learning", recipe, make, 0, learns=True)
        trained = Adapter(artifact.tensors, artifact.facts)
        return trained if base is None else sum_of(base, trained)

    def _task_shape(self, way: int, shot: int) -> TaskShape:
        if way < 0 or way == 1 or shot < 0:
            raise OptionError(
                f"Tasks of meta-training cannot have {way} classes and {shot} shots. Set at least 2 classes and "
                "1 shot, or 0 for those of the track."
            )
        return TaskShape(way or self.way, shot or self.shot, self.query)

    # --- bookkeeping ----------------------------------------------------------------------------

    def _require(self, need: Needs) -> None:
        if need not in self.method.needs:
            refuse(
                UndeclaredError(
                    f"Method '{self.method.name}' requested the {need.value}, which it did not declare. Add "
                    f"Needs.{need.name} to its needs, or remove the request."
                )
            )

    def _asked_or_open(self) -> LoraPool:
        """Return the pool for use by the harness, for a method with either kind of access."""
        if Needs.QUERIES not in self.method.needs:
            return self.pool()
        return self._context.pool(self.track.pool, self._backbone)

    def _given(self) -> dict[str, Any]:
        """Return everything that a method's own work can depend on besides its recipe: origin, inputs and seed."""
        needs = self.method.needs
        given: dict[str, Any] = {
            "origin": self.origin or self.cell.spec.method.origin,
            "backbone": self._backbone.identity,
            "seed": self._seed,
            "shape": list(self._sizes),
        }
        if self.base is not None:
            given["on"] = tensors_sha256(self.base.tensors)
        if needs & {Needs.POOL, Needs.QUERIES}:
            pool = self._asked_or_open()
            given["pool"] = [pool.sha256, [entry.name for entry in pool.entries]]
        for need, split in ((Needs.VALIDATION, "validation"), (Needs.BASE_IMAGES, "base")):
            if need in needs:
                given[split] = [self._context.images(name, split).sha256 for name in self.track.sources]
        return given

    def _images(self, name: str, split: str) -> Images:
        return self._context.images(name, split, self._backbone.image_size)

    def _shots(self, images: Any, indices: Sequence[int]) -> Shots:
        labels = torch.arange(self.way).repeat_interleave(len(indices) // self.way)
        return Shots(read_images(images, indices, self._backbone.device), labels.to(self._backbone.device))

    def patch_side(self) -> int:
        """Return the number of patches per row."""
        return patch_side(self._backbone.vit)


OPEN = frozenset(name for name in (*vars(Workbench), *Workbench.__annotations__) if not name.startswith("_"))
"""Names in the interface."""


class RestrictedWorkbench:
    """The workbench that a method gets: only the names in `freeshot.Workbench`, read-only."""

    __slots__ = tuple(OPEN)

    def __init__(self, bench: Bench) -> None:
        for name in OPEN:
            object.__setattr__(self, name, getattr(bench, name))
        object.__setattr__(self, "with_base", lambda method: RestrictedWorkbench(bench.with_base(method)))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"A workbench has no '{name}'. It has {', '.join(sorted(OPEN))}.")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A workbench is read-only, so '{name}' cannot be set. Store it in your own object.")

    def __dir__(self) -> list[str]:
        return sorted(OPEN)


def adapter_left(method: Method, learner: Learner) -> Adapter | None:
    """Return the adapter of a method's learner, or None; OptionError if its network is more than that."""
    adapter = getattr(learner, "adapter", None)
    if not isinstance(adapter, Adapter) and not isinstance(learner, AdaptedLearner):
        raise OptionError(no_adapter(method))
    return adapter


def no_adapter(method: Method) -> str:
    """Return the error for a method that yields no LoRA."""
    return f"Method '{method.name}' yields no adapter. Choose one that trains a LoRA."


def _digest(surrogate: SurrogateSet) -> str:
    """Hash surrogates by content, independent of how they were made."""
    import hashlib

    digest = hashlib.sha256(surrogate.shots.images.contiguous().numpy().tobytes())
    if surrogate.shots.kept is not None:
        digest.update(surrogate.shots.kept.contiguous().numpy().tobytes())
    digest.update(surrogate.teacher_logits.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
