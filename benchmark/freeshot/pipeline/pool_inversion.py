"""Inversion of an entire pool: each LoRA once, in one batch or several, from the cache if available."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from freeshot.basics.errors import OptionError
from freeshot.basics.files import file_sha256
from freeshot.basics.locked_work import run_under_locks
from freeshot.contracts.inversion import LearnedInversion
from freeshot.engine.inversion.batchnorm_prior import weights_file
from freeshot.engine.inversion.mask_only import only_masks, with_mask
from freeshot.pipeline.inversion import batches_of, invert, joined, learn_to_invert, surrogate_set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from freeshot.cache.artifacts import Artefact, Artefacts
    from freeshot.contracts.efficiency import EfficiencyStrategy
    from freeshot.contracts.inversion import InversionMethod
    from freeshot.contracts.pool import LoraEntry, LoraPool
    from freeshot.contracts.tensors import Checkpoint, SurrogateSet
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.pipeline.stages import Stages
    from freeshot.records.models import Part

STAGE, LEARNING = "inversion", "learning-to-invert"


@dataclass(frozen=True, eq=False)
class PoolInversion:
    """Settings of the inversion of a pool."""

    backbone: Backbone
    pool: LoraPool
    inversion: InversionMethod
    strategy: EfficiencyStrategy
    parts: tuple[Part, Part]
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

    def run(self, stages: Stages) -> list[SurrogateSet]:
        """Invert every LoRA, or load cached results, and charge the cost."""
        learned = self._learned(stages)
        stages.started(STAGE, len(self.pool))
        entries = self.pool.entries
        there = 0

        def recovered(number: int, *, wait: bool) -> list[tuple[Artefact, bool]] | None:
            nonlocal there
            parts = self._recovered(entries[number], number, learned, stages, wait=wait)
            if parts is not None:
                there += 1
                stages.progress(STAGE, there, len(entries))
            return parts

        parts = run_under_locks(len(entries), recovered)
        found = []
        for number, entry in enumerate(entries):
            surrogates = surrogate_set(entry, joined([artefact for artefact, _ in parts[number]]))
            if self._masked_afterwards:
                surrogates = with_mask(self.backbone, entry, self.strategy, surrogates)
            found.append(surrogates)
        stages.charge(STAGE, [part for number in range(len(entries)) for part in parts[number]], self._facts(found))
        return found

    def there(self, stage: str, artefacts: Artefacts) -> tuple[int, int]:
        """Return how many artefacts of a stage are in the cache, and how many there will be."""
        if stage == LEARNING:
            return int(artefacts.has(LEARNING, self._learning_recipe())), 1
        found = [
            artefacts.has(STAGE, self._recipe(entry, pieces, piece))
            for entry in self.pool.entries
            for pieces in [batches_of(self.per_class, len(entry.classes), self.batch)]
            for piece in range(len(pieces))
        ]
        return sum(found), len(found)

    def identity(self) -> list[Any]:
        """Return the key that runs with the same surrogates share."""
        efficiency = "all patches" if self._masked_afterwards else self.parts[1].recipe()
        sizes = [self.per_class, self.batch]
        return [self.parts[0].recipe(), efficiency, sizes, self.pool.sha256, self.backbone.identity, self.seed]

    def bytes_each(self) -> int:
        """Return the approximate size of an artefact in bytes: the images of a LoRA, or of a batch of them."""
        way = len(self.pool.entries[0].classes)
        numbers = self.per_class * way * 3 * self.backbone.image_size**2
        return 4 * numbers // len(batches_of(self.per_class, way, self.batch))

    def _facts(self, found: list[SurrogateSet]) -> dict[str, Any]:
        """Summarise the facts of an inversion for the record."""
        accuracies = [float(s.statistics["teacher_accuracy"]) for s in found]
        queries = [int(s.statistics["queries"]) for s in found if "queries" in s.statistics]
        return {
            "teacher_accuracy": round(sum(accuracies) / len(accuracies), 4),
            **({"queries": sum(queries)} if queries else {}),
            **({"files": self._files} if self._files else {}),
        }

    @cached_property
    def _files(self) -> dict[str, str]:
        """Hash the files that the inversion reads; a missing one is reported when it is opened."""
        found = {name: weights_file(name) for name in self.inversion.weight_files()}
        return {name: file_sha256(path) for name, path in found.items() if path.is_file()}

    @cached_property
    def _masked_afterwards(self) -> bool:
        return only_masks(self.backbone.vit, self.strategy)

    def _recovered(
        self,
        entry: LoraEntry,
        number: int,
        learned: Mapping[str, Tensor] | None,
        stages: Stages,
        *,
        wait: bool,
    ) -> list[tuple[Artefact, bool]] | None:
        """Invert a LoRA batch by batch; return each batch's artefact and whether it was cached.

        None if another process has a lock and `wait` is False.
        """
        pieces = batches_of(self.per_class, len(entry.classes), self.batch)
        acting = None if self._masked_afterwards else self.strategy
        made = []
        for piece, count in enumerate(pieces):
            recipe = self._recipe(entry, pieces, piece)
            tell = stages.within(STAGE, number * len(pieces) + piece, len(self.pool) * len(pieces))
            how = (self.backbone, entry, self.inversion, acting, count, self.seed)
            make = partial(invert, *how, learned=learned, piece=piece, query_only=self.query_only)
            stored = stages.stored(STAGE, recipe, make, tell, wait=wait)
            if stored is None:
                return None
            made.append(stored)
        return made

    def _recipe(self, entry: LoraEntry, pieces: list[int], piece: int) -> dict[str, Any]:
        """Return the recipe of the images; settings that change the mask only are left out."""
        recipe: dict[str, Any] = {
            "inversion": self.parts[0].recipe(),
            "efficiency": "all patches" if self._masked_afterwards else self.parts[1].recipe(),
            "per_class": self.per_class,
            "lora": [self.pool.sha256, entry.name],
            "backbone": self.backbone.identity,
            "seed": self.seed,
        }
        if isinstance(self.inversion, LearnedInversion):
            recipe["learned_from"] = [e.name for e in self.pool.entries]
        if self.query_only:
            recipe["query_only"] = True
        if len(pieces) > 1:
            recipe["batch"] = [piece, *pieces]
        if self._files:
            recipe["files"] = self._files
        return recipe

    def _learned(self, stages: Stages) -> Mapping[str, Tensor] | None:
        """Train an inversion that learns from all LoRAs, once per pool."""
        method = self.inversion
        if not isinstance(method, LearnedInversion):
            return None

        def make(tell: Callable[[int, int], None], _: Checkpoint) -> Artefact:
            return learn_to_invert(self.backbone, self.pool, method, self.per_class, self.seed, tell)

        return stages.artefact(LEARNING, self._learning_recipe(), make, 0).tensors

    def _learning_recipe(self) -> dict[str, Any]:
        return {
            "inversion": self.parts[0].recipe(),
            "per_class": self.per_class,
            "loras": [self.pool.sha256, [entry.name for entry in self.pool.entries]],
            "backbone": self.backbone.identity,
            "seed": self.seed,
            **({"files": self._files} if self._files else {}),
        }


def _blind(backbone: Backbone, strategy: EfficiencyStrategy) -> bool:
    """Return whether a strategy uses no layer's attention."""
    depth = len(list(backbone.vit.get_submodule("blocks").children()))
    return not strategy.layers(depth)
