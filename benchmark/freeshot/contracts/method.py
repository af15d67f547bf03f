"""The interfaces of methods (one leaderboard row each) and of the learners they prepare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol

from freeshot.basics.errors import ContractError
from freeshot.contracts.component import Choice, Component
from freeshot.contracts.meta_learner import TaskStream
from freeshot.contracts.pool import LoraPool
from freeshot.contracts.tensors import Adapter, Shots, SurrogateSet, ValidationEpisode
from freeshot.contracts.tracks import Track

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor, nn


class Needs(StrEnum):
    """Resources that a method may request from its workbench."""

    POOL = "pool"
    """The LoRAs of the track's pool, and surrogates inverted from them."""
    QUERIES = "queries to the pool"
    """The logits of the pool's LoRAs for given images, as from a remote service: no weights, no gradients, each query
    counted."""
    BASE_IMAGES = "base images"
    """The real images that the pool was tuned on. A method that needs them is not data-free."""
    VALIDATION = "validation classes"
    """Labelled tasks of validation classes of the track's data sets, for choosing settings without test data."""


class Learner(ABC):
    """The prepared state of a method, which solves episodes.

    Override exactly one of `embed`, `adapt` and `adapt_many`. A learner that embeds passes each test image through the
    network once, and features are cached; it may define a head of its own, `classify`, which is then the whole cost of
    an episode. A learner that adapts tunes on each support set, one episode at a time or, with `adapt_many`, many at
    once.
    """

    fits_head: ClassVar[bool] = False
    """True if `classify` optimises something on the support set: such a row is not tuning-free."""
    generates_weights: ClassVar[bool] = False
    """True if `adapt` computes its parameters from the support set without optimisation: such a row is tuning-free."""
    jackknife: ClassVar[bool] = True
    """Whether `classify` is fast enough to run on 10,000 more tasks, for intervals that also cover other images."""
    transductive: ClassVar[bool] = False
    """True if a prediction also uses the other queries of its episode. The record has a tag for it; without this
    declaration the audit reports such a learner as a violation."""
    numbered: ClassVar[bool] = False
    """True if predictions depend on how an episode's classes are numbered, as for a network that reads class indices.
    The audit then checks that the numbering gives no advantage; learners that use the random stream passed to `adapt`
    need not declare it."""
    episodes_per_batch: int = 1
    """Largest number of episodes per call of `adapt_many`; a learner may set it on construction."""
    tuned_parameters: int = 0
    """Number of weights fitted to each support set, for the record; a learner may set it while tuning."""

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d]."""
        raise NotImplementedError

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score the queries of e episodes by their support set: features [e, n, d] and [e, q, d] → logits [e, q, c].

        Support features are ordered class by class, equally many per class. The prediction is the largest logit, and
        the softmax gives probabilities. By default the negative distances to the class means.
        """
        import torch

        from freeshot.ops.prototypes import prototype_logits

        labels = torch.arange(way, device=support.device).repeat_interleave(support.shape[1] // way)
        return prototype_logits(query, support, labels.expand(len(support), -1), way, distance="euclidean")

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Tune on the support set; the returned predictor gets query images, never query labels."""
        raise NotImplementedError

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune on e support sets at once, images [e, n, 3, h, w] in 0…1; the predictor scores e × q queries.

        The n images of an episode are ordered class by class, equally many per class. Episodes come in groups of
        `episodes_per_batch`, and the last group may be smaller, so the predictions of one episode must not depend on
        the others; each has its own random stream. By default calls `adapt` for one after the other.
        """
        import torch

        labels = torch.arange(way, device=support.device).repeat_interleave(support.shape[1] // way)
        tuned = [self.adapt(Shots(images, labels), way, rng) for images, rng in zip(support, rngs, strict=True)]
        return lambda queries: torch.stack([predict(q) for predict, q in zip(tuned, queries, strict=True)])

    def close(self) -> None:
        """Release resources."""

    @property
    def embeds(self) -> bool:
        """True for learners that embed, False for those that adapt; ContractError unless exactly one is overridden."""
        methods = ("embed", "adapt", "adapt_many")
        overridden = [name for name in methods if getattr(type(self), name) is not getattr(Learner, name)]
        if len(overridden) != 1:
            raise ContractError(f"{type(self).__name__} must override exactly one of embed, adapt and adapt_many.")
        return overridden == ["embed"]

    @property
    def tuning_free(self) -> bool:
        """True if nothing is optimised on the support set of an episode."""
        return not self.fits_head if self.embeds else self.generates_weights


class Predictor(Protocol):
    """A classifier tuned for one episode, or for e episodes at once."""

    def __call__(self, images: Tensor) -> Tensor:
        """Score query images [q, 3, h, w] in 0…1: [q, c]; for e episodes [e, q, 3, h, w]: [e, q, c]."""


class Oracle(Protocol):
    """A LoRA behind a service: images in, logits out."""

    classes: tuple[str, ...]
    """Names of its classes, in the order of its logits."""
    image_size: int
    queries: int
    """Number of images it has scored."""

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of images [n, 3, h, w] in 0…1: [n, c]; no gradient flows back."""


class Workbench(Protocol):
    """Everything a method can access while it prepares.

    Requesting what was not declared raises UndeclaredError and makes the record `violated`, whether or not the error is
    caught. Nothing here returns a test image or a test label.
    """

    way: int
    shot: int
    query: int
    track: Track

    @property
    def device(self) -> torch.device:
        """The device of the backbone."""

    def backbone(self) -> nn.Module:
        """Return a fresh copy of the backbone, weights trainable, mapping images in 0…1 to features [b, d]."""

    def frozen(self) -> Learner:
        """Return the learner that embeds with the unchanged backbone."""

    def with_base(self, method: Choice) -> Workbench:
        """Return a workbench whose network is the result of another method, for `backbone()` and `frozen()`.

        The pool, its surrogates and the meta-learning stay those of the pre-trained network. A method that yields no
        adapter raises OptionError; one that leaves the network unchanged has no effect. The other method's needs are
        added to those of this row.
        """

    def pool(self) -> LoraPool:
        """Return the LoRAs. Needs POOL."""

    def oracles(self) -> Sequence[Oracle]:
        """Return the LoRAs as services that return logits only. Needs QUERIES."""

    def surrogates(self, inversion: Choice, strategy: Choice, per_class: int, batch: int = 0) -> Sequence[SurrogateSet]:
        """Invert every LoRA of the pool, or load the cached surrogates. Needs POOL, or QUERIES.

        With QUERIES alone the inversion gets logits without gradients, and queries are counted. About `batch` images of
        each LoRA are optimised at once, with equal numbers per class; 0: all at once.
        """

    def surrogate_tasks(
        self,
        surrogates: Sequence[SurrogateSet],
        lora_share: float,
        *,
        flip: bool,
        held_out: float = 0.0,
        way: int = 0,
        shot: int = 0,
    ) -> TaskStream:
        """Mix tasks of one LoRA (with its logits) and tasks of classes across LoRAs (labels only).

        Needs POOL, or QUERIES. A share `held_out` of the classes is reserved for the stream's validation tasks. Unless
        given, ways and shots are the track's.
        """

    def base_tasks(self, *, flip: bool, way: int = 0, shot: int = 0) -> TaskStream:
        """Draw tasks from the real base images, of the track's ways and shots unless given. Needs BASE_IMAGES."""

    def validation_episodes(self, count: int) -> Sequence[ValidationEpisode]:
        """Draw labelled tasks from validation classes, the same for all methods. Needs VALIDATION."""

    def meta_learn(
        self,
        learner: Choice,
        tasks: TaskStream,
        rank: int,
        targets: Sequence[str] = ("q", "v"),
        base: Adapter | None = None,
    ) -> Adapter:
        """Train one meta-LoRA on the targets with a meta-learner, or load the cached one.

        Targets are q, k, v, proj, fc1 and fc2: the linear layers of each block. With `base` the network has that
        adapter, frozen, while the meta-LoRA is trained on top of it; the result is their sum.
        """

    def adapted(self, adapter: Adapter) -> Learner:
        """Return the learner that embeds with the backbone and this adapter."""

    def cached_json(
        self, stage: str, recipe: Mapping[str, object], make: Callable[[], Mapping[str, object]]
    ) -> Mapping[str, object]:
        """Return the cached result of `make()` for this recipe, or compute it; a JSON mapping."""

    def cached_tensors(
        self,
        stage: str,
        recipe: Mapping[str, object],
        make: Callable[[Callable[[int, int], None]], Mapping[str, Tensor]],
    ) -> Mapping[str, Tensor]:
        """Return the cached tensors of `make(report)` for this recipe, or compute them, as a stage.

        Pool, surrogates, way, shot and seed are part of every recipe; `report(done, total)` reports progress.
        """

    def rng(self, *names: object) -> Generator:
        """Return a new generator for the random stream of this name."""


@dataclass(frozen=True)
class Method(Component):
    """A row of the leaderboard: prepared once per track, then solves its episodes."""

    kind: ClassVar[str] = "method"
    needs: ClassVar[frozenset[Needs]] = frozenset()
    role: ClassVar[str] = "method"
    """'method', 'floor' or 'ceiling'; floors and ceilings are shown as controls."""

    @abstractmethod
    def prepare(self, bench: Workbench) -> Learner:
        """Do all work that is allowed before the first episode."""

    @classmethod
    def presets(cls, image_size: int) -> Mapping[str, Mapping[str, object]]:  # noqa: ARG003
        """Return named sets of options for `freeshot recycle`, the cheapest first, for images of this side in pixels.

        The defaults are the preset 'paper', which need not be listed.
        """
        return {}

    def skip(self, track: Track) -> str | None:
        """Return why this method cannot run on a track, or None; the leaderboard shows the reason."""
        return None
