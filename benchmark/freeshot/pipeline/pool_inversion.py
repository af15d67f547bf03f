"""Inversion of an entire pool: each LoRA once, in one batch or several, from the cache if available."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.basics.files import file_sha256
from freeshot.basics.seeds import derive, stream
from freeshot.cache.artifacts import free_first
from freeshot.contracts.inversion import LearnedInversion
from freeshot.contracts.method import Needs
from freeshot.engine.inversion.black_box import QueryTeacher
from freeshot.engine.inversion.mask_only import only_masks, with_mask
from freeshot.engine.inversion.prior_network import weights_file
from freeshot.engine.inversion.teacher import BankTeacher
from freeshot.pipeline.inversion import batches_of, invert, joined, learn_to_invert, surrogate_set
from freeshot.pipeline.resolve import direct_components

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from freeshot.cache.artifacts import Artifact, Artifacts
    from freeshot.contracts.inversion import InversionMethod
    from freeshot.contracts.pool import LoraEntry, LoraPool
    from freeshot.contracts.strategy import EfficiencyStrategy
    from freeshot.contracts.tensors import Checkpoint, SurrogateSet
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.pipeline.context import RunContext
    from freeshot.pipeline.resolve import PlannedCell
    from freeshot.pipeline.stages import Make, Stages
    from freeshot.records.models import ComponentSpec

STAGE, LEARNING = "inversion", "learning-to-invert"


@dataclass(frozen=True, eq=False)
class PoolInversion:
    """Settings of the inversion of a pool."""

    backbone: Backbone
    pool: LoraPool
    inversion: InversionMethod
    strategy: EfficiencyStrategy
    specs: tuple[ComponentSpec, ComponentSpec]
    """Inversion and strategy, as in recipes."""
    per_class: int
    batch: int
    seed: int
    query_only: bool = False
    """Only the logits of the LoRAs are used; queries are counted."""

    def __post_init__(self) -> None:
        if not self.query_only:
            return
        if isinstance(self.inversion, LearnedInversion):
            raise OptionError(
                f"Inversion '{self.inversion.name}' needs gradients, but a LoRA behind a service returns "
                "none. Choose another, such as -o inversion=zeroth-order."
            )
        if not _blind(self.backbone, self.strategy):
            raise OptionError(
                f"Strategy '{self.strategy.name}' selects by attention, which a LoRA behind a service does not return. "
                "Choose -o strategy=none."
            )

    @classmethod
    def planned(cls, context: RunContext, cell: PlannedCell, pool: LoraPool) -> PoolInversion:
        """Return how a cell that `inverts` will invert its pool, as its method will request it."""
        components, options = direct_components(cell.spec), cell.spec.method.options
        chosen = (components["inversion"], components["strategy"])
        inversion, strategy = map(context.component, chosen)
        sizes = (int(options["per_class"]), int(options.get("batch", 0)))
        query_only = Needs.POOL not in context.component(cell.spec.method).needs
        backbone = context.backbone(cell.spec.backbone)
        return cls(backbone, pool, inversion, strategy, chosen, *sizes, cell.spec.seed, query_only)

    def run(self, stages: Stages) -> list[SurrogateSet]:
        """Invert every LoRA, or load cached results, and charge the cost."""
        learned = self._learned(stages)
        stages.started(STAGE, len(self.pool))
        batches: dict[int, list[Artifact]] = {}
        furthest = 0  # other processes may be inverting earlier LoRAs, which come last
        for number in free_first(range(len(self.pool)), partial(self._in_progress, artifacts=stages.artifacts)):
            batches[number] = []
            for batch in self._batches_to_make(number, learned, stages):
                batches[number].append(stages.stored(STAGE, *batch))
            furthest = max(furthest, number + 1)
            stages.progress(STAGE, furthest, len(self.pool))
        sets = []
        for number, entry in enumerate(self.pool.entries):
            surrogates = surrogate_set(entry, joined(batches[number]))
            if self._masked_afterwards:
                surrogates = with_mask(self.backbone, entry, self.strategy, surrogates)
            sets.append(surrogates)
        stages.charge(STAGE, [batch for number in sorted(batches) for batch in batches[number]], self._facts(sets))
        return sets

    def invert_free(self, stages: Stages) -> None:
        """Invert, one after the other, the LoRAs that are not cached and that no other process is inverting."""
        learned = self._learned(stages)
        for number in range(len(self.pool)):
            if self._missing(number, stages.artifacts) and not self._in_progress(number, stages.artifacts):
                for batch in self._batches_to_make(number, learned, stages):
                    stages.stored(STAGE, *batch)

    def _missing(self, number: int, artifacts: Artifacts) -> list[dict[str, Any]]:
        """Return the recipes of a LoRA's batches that are not in the cache."""
        return [recipe for recipe in self._recipes(number) if not artifacts.has(STAGE, recipe)]

    def _in_progress(self, number: int, artifacts: Artifacts) -> bool:
        """Return whether another process is inverting a LoRA."""
        return any(artifacts.is_locked(STAGE, recipe) for recipe in self._missing(number, artifacts))

    def cached_counts(self, stage: str, artifacts: Artifacts) -> tuple[int, int]:
        """Return how many artifacts of a stage are in the cache, and how many there will be."""
        if stage == LEARNING:
            return int(artifacts.has(LEARNING, self._learning_recipe())), 1
        cached = [artifacts.has(STAGE, recipe) for number in range(len(self.pool)) for recipe in self._recipes(number)]
        return sum(cached), len(cached)

    def identity(self) -> list[Any]:
        """Return the key that runs with the same surrogates share."""
        strategy = "all patches" if self._masked_afterwards else self.specs[1].recipe()
        sizes = [self.per_class, self.batch]
        return [self.specs[0].recipe(), strategy, sizes, self.pool.sha256, self.backbone.identity, self.seed]

    def bytes_each(self) -> int:
        """Return the approximate size of an artifact in bytes: the images of a LoRA, or of a batch of them."""
        way = len(self.pool.entries[0].classes)
        numbers = self.per_class * way * 3 * self.backbone.image_size**2
        return 4 * numbers // len(batches_of(self.per_class, way, self.batch))

    def _facts(self, sets: list[SurrogateSet]) -> dict[str, Any]:
        """Summarise the facts of an inversion for the record."""
        accuracies = [float(s.statistics["teacher_accuracy"]) for s in sets]
        queries = [int(s.statistics["queries"]) for s in sets if "queries" in s.statistics]
        return {
            "teacher_accuracy": round(sum(accuracies) / len(accuracies), 4),
            **({"queries": sum(queries)} if queries else {}),
            **({"files": self._files} if self._files else {}),
        }

    @cached_property
    def _files(self) -> dict[str, str]:
        """Hash the files that the inversion reads; a missing one is reported when it is opened."""
        paths = {name: weights_file(name) for name in self.inversion.weight_files()}
        return {name: file_sha256(path) for name, path in paths.items() if path.is_file()}

    @cached_property
    def _masked_afterwards(self) -> bool:
        return only_masks(self.backbone.vit, self.strategy)

    def _batches_to_make(
        self, number: int, learned: Mapping[str, Tensor] | None, stages: Stages
    ) -> Iterator[tuple[dict[str, Any], Make, Callable[[int, int], None]]]:
        """Yield the recipe of each batch of a LoRA, what makes it, and the callback for its progress."""
        entry, recipes = self.pool.entries[number], self._recipes(number)
        for piece, (count, recipe) in enumerate(zip(self._batches(entry), recipes, strict=True)):
            report = stages.within(STAGE, number * len(recipes) + piece, len(self.pool) * len(recipes))
            yield recipe, partial(self._invert_batch, entry, piece, count, learned), report

    def _invert_batch(
        self,
        entry: LoraEntry,
        piece: int,
        per_class: int,
        learned: Mapping[str, Tensor] | None,
        report: Callable[[int, int], None],
        checkpoint: Checkpoint,
    ) -> Artifact:
        """Invert one batch of a LoRA; with `query_only` no gradient flows through the LoRA, and queries are counted."""
        kind = QueryTeacher if self.query_only else BankTeacher
        strategy = None if self._masked_afterwards else self.strategy
        teacher = kind(self.backbone, [entry], strategy, report, checkpoint)
        rng = stream(derive(self.seed, "inversion", entry.name, *([piece] if piece else [])), device="cpu")
        return invert(teacher, entry, self.inversion, per_class, rng, learned)

    def _batches(self, entry: LoraEntry) -> list[int]:
        """Return the images per class of each batch of a LoRA."""
        return batches_of(self.per_class, len(entry.classes), self.batch)

    def _recipes(self, number: int) -> list[dict[str, Any]]:
        """Return the recipes of a LoRA's batches; settings that change the mask only are left out."""
        entry = self.pool.entries[number]
        recipe: dict[str, Any] = {
            "inversion": self.specs[0].recipe(),
            "strategy": "all patches" if self._masked_afterwards else self.specs[1].recipe(),
            "per_class": self.per_class,
            "lora": [self.pool.sha256, entry.name],
            "backbone": self.backbone.identity,
            "seed": self.seed,
        }
        if isinstance(self.inversion, LearnedInversion):
            recipe["learned_from"] = [e.name for e in self.pool.entries]
        if self.query_only:
            recipe["query_only"] = True
        if self._files:
            recipe["files"] = self._files
        batches = self._batches(entry)
        if len(batches) == 1:
            return [recipe]
        return [recipe | {"batch": [piece, *batches]} for piece in range(len(batches))]

    def _learned(self, stages: Stages) -> Mapping[str, Tensor] | None:
        """Train an inversion that learns from all LoRAs, once per pool."""
        method = self.inversion
        if not isinstance(method, LearnedInversion):
            return None

        def make(report: Callable[[int, int], None], _: Checkpoint) -> Artifact:
            return learn_to_invert(self.backbone, self.pool, method, self.per_class, self.seed, report)

        return stages.artifact(LEARNING, self._learning_recipe(), make, 0).tensors

    def _learning_recipe(self) -> dict[str, Any]:
        return {
            "inversion": self.specs[0].recipe(),
            "per_class": self.per_class,
            "loras": [self.pool.sha256, [entry.name for entry in self.pool.entries]],
            "backbone": self.backbone.identity,
            "seed": self.seed,
            **({"files": self._files} if self._files else {}),
        }


def inverts(cell: PlannedCell) -> bool:
    """Return whether a cell's method has the options of an inversion: its name, a strategy and `per_class`."""
    return direct_components(cell.spec).keys() >= {"inversion", "strategy"} and "per_class" in cell.spec.method.options


def _blind(backbone: Backbone, strategy: EfficiencyStrategy) -> bool:
    """Return whether a strategy uses no layer's attention."""
    depth = len(list(backbone.vit.get_submodule("blocks").children()))
    return not strategy.layers(depth)
