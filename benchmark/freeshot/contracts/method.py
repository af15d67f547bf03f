"""The interfaces of methods (a leaderboard row each) and of the learners they prepare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol

from freeshot.basics.errors import ContractError
from freeshot.contracts.component import Choice, Component

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Generator, Tensor, nn

    from freeshot.contracts.flow import Adapter, Shots, SurrogateSet
    from freeshot.contracts.meta_learner import TaskStream
    from freeshot.contracts.pool import LoraPool
    from freeshot.contracts.tracks import Track


class Needs(StrEnum):
    """What a method may ask of its workbench."""

    POOL = "pool"
    """The LoRAs of the track's pool, and what is recovered from them."""
    QUERIES = "queries to the pool"
    """What the LoRAs of the pool say of images, as from behind a service: no weights, no gradients, each counted."""
    BASE_IMAGES = "base images"
    """The real images the pool was tuned on. A method that needs them is not data-free."""
    VALIDATION = "validation classes"
    """Labelled tasks of validation classes of the track's data sets, for choosing settings in the open."""


class Learner(ABC):
    """What a method leaves behind: something that solves episodes.

    Override exactly one of `embed`, `adapt` and `adapt_many`. For a learner that embeds each test image passes the
    network once and features are cached; it may bring a head of its own, `classify`, which then is all that an episode
    costs. A learner that adapts tunes on each support set, one episode at a time or, with `adapt_many`, many at once.
    """

    fits: ClassVar[bool] = False
    """True where `classify` optimises something on the support set: such a row is not tuning-free."""
    generates: ClassVar[bool] = False
    """True where `adapt` computes what suits the support set and optimises nothing: such a row is tuning-free."""
    spread: ClassVar[bool] = True
    """Whether `classify` is quick enough to be asked of 10,000 more tasks, for intervals that cover other images."""
    transductive: ClassVar[bool] = False
    """True where a prediction uses the other queries of its episode too. The record has a tag for it; without this
    declaration the audit reports such a learner as a violation."""
    numbered: ClassVar[bool] = False
    """True where predictions vary with how an episode's classes are numbered, as those of a network that reads
    numbers do. The audit then checks that the numbers gain nothing; learners that use the random stream given to
    `adapt` need not declare it."""
    together: int = 1
    """How many episodes `adapt_many` is given at once, at most; a learner may set it when it is made."""
    tuned: int = 0
    """How many weights are fitted to each support set, for the record; a learner may set it while it tunes."""

    def embed(self, images: Tensor) -> Tensor:
        """Map images [b, 3, h, w] in 0…1 to features [b, d]."""
        raise NotImplementedError

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Score the queries of e episodes by their support set: features [e, n, d] and [e, q, d] → logits [e, q, c].

        Support features are ordered class by class, equally many each; what is returned decides by its maximum, and
        its softmax is taken for probabilities. By default minus the distances to the class means.
        """
        import torch

        from freeshot.basics.prototypes import prototype_logits

        labels = torch.arange(way, device=support.device).repeat_interleave(support.shape[1] // way)
        return prototype_logits(query, support, labels.expand(len(support), -1), way, distance="euclidean")

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Tune on the support set; the predictor then sees query images, never query labels."""
        raise NotImplementedError

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Tune on e support sets at once, images [e, n, 3, h, w] in 0…1; the predictor scores e × q queries.

        The n images of an episode are ordered class by class, equally many each. Episodes come in groups of `together`
        and the last group may be smaller, so what is said of one must not depend on the others; each has its own
        random stream. By default one after the other, by `adapt`.
        """
        import torch

        from freeshot.contracts.flow import Shots

        labels = torch.arange(way, device=support.device).repeat_interleave(support.shape[1] // way)
        tuned = [self.adapt(Shots(images, labels), way, rng) for images, rng in zip(support, rngs, strict=True)]
        return lambda queries: torch.stack([predict(q) for predict, q in zip(tuned, queries, strict=True)])

    def close(self) -> None:
        """Give back what is held."""

    @property
    def embeds(self) -> bool:
        """True for learners that embed, False for those that adapt; ContractError unless exactly one road was taken."""
        roads = ("embed", "adapt", "adapt_many")
        taken = [road for road in roads if getattr(type(self), road) is not getattr(Learner, road)]
        if len(taken) != 1:
            raise ContractError(f"{type(self).__name__} must override exactly one of embed, adapt and adapt_many.")
        return taken == ["embed"]

    @property
    def tuning_free(self) -> bool:
        """True where nothing is optimised on the support set of an episode."""
        return not self.fits if self.embeds else self.generates


class Predictor(Protocol):
    """A tuned classifier of one episode, or of the e episodes that were tuned together."""

    def __call__(self, images: Tensor) -> Tensor:
        """Score query images [q, 3, h, w] in 0…1: [q, c]; those of e episodes [e, q, 3, h, w]: [e, q, c]."""
        ...


class Trial(Protocol):
    """One validation task with its answers, for choosing settings in the open."""

    @property
    def support(self) -> Shots:
        """Labelled images to learn from."""
        ...

    @property
    def query(self) -> Shots:
        """Images to be classified, with their answers."""
        ...

    @property
    def way(self) -> int:
        """How many classes there are."""
        ...


class Oracle(Protocol):
    """A LoRA behind a service: images in, logits out."""

    classes: tuple[str, ...]
    """Names of what it tells apart, in the order of its logits."""
    image_size: int
    queries: int
    """How many images it was asked about."""

    def logits(self, images: Tensor) -> Tensor:
        """Say what images [n, 3, h, w] in 0…1 show: [n, c]; no gradient comes back."""
        ...


class Workbench(Protocol):
    """All that a method gets while it prepares.

    Requesting what was not declared raises UndeclaredError and makes the record `violated`, whether or not the error is
    caught. Nothing here returns a test image or a test label.
    """

    way: int
    shot: int
    query: int
    track: Track

    @property
    def device(self) -> torch.device:
        """Where the backbone computes."""
        ...

    def backbone(self) -> nn.Module:
        """Return a fresh copy of the backbone, weights trainable, mapping images in 0…1 to features [b, d]."""
        ...

    def frozen(self) -> Learner:
        """Return the learner that embeds with the untouched backbone."""
        ...

    def on(self, method: Choice) -> Workbench:
        """Return a bench whose network is what another method leaves behind: `backbone()` and `frozen()` are of it.

        The pool, and what is recovered and meta-learned from it, stay those of the network as it was pre-trained. A
        method that leaves no adapter behind raises OptionError, and one that leaves the network as it is changes
        nothing. What it needs is its own affair, and joins what this row needs.
        """
        ...

    def pool(self) -> LoraPool:
        """Return the LoRAs. Needs POOL."""
        ...

    def oracles(self) -> Sequence[Oracle]:
        """Return the LoRAs as services that answer and show nothing of themselves. Needs QUERIES."""
        ...

    def surrogates(self, inversion: Choice, strategy: Choice, per_class: int, batch: int = 0) -> Sequence[SurrogateSet]:
        """Invert every LoRA of the pool, or take what an earlier run left. Needs POOL, or QUERIES.

        With QUERIES alone the inversion gets answers without gradients, and they are counted.

        Of each LoRA about `batch` images are recovered at once, its classes in equal numbers; 0 recovers all.
        """
        ...

    def surrogate_tasks(
        self, surrogates: Sequence[SurrogateSet], lora_share: float, *, flip: bool, held_out: float = 0.0
    ) -> TaskStream:
        """Mix tasks of one LoRA, with its logits, with tasks of classes across LoRAs, labels only.

        Needs POOL, or QUERIES. A share `held_out` of the classes is in none of them, but in the stream's tasks for
        validation.
        """
        ...

    def base_tasks(self, *, flip: bool) -> TaskStream:
        """Draw tasks from the real base images. Needs BASE_IMAGES."""
        ...

    def validation_trials(self, count: int) -> Sequence[Trial]:
        """Draw labelled tasks from validation classes, the same for all methods. Needs VALIDATION."""
        ...

    def meta_learn(self, learner: Choice, tasks: TaskStream, rank: int, targets: Sequence[str] = ("q", "v")) -> Adapter:
        """Train one shared LoRA on the targets with a meta-learner, or take what an earlier run left.

        Targets are q, k, v, proj, fc1 and fc2: the linear layers of each block.
        """
        ...

    def adapted(self, adapter: Adapter) -> Learner:
        """Return the learner that embeds with the backbone and this adapter."""
        ...

    def remember(
        self, stage: str, recipe: Mapping[str, object], make: Callable[[], Mapping[str, object]]
    ) -> Mapping[str, object]:
        """Return what `make()` returned for this recipe, today or in an earlier run; a JSON mapping."""
        ...

    def keep(
        self,
        stage: str,
        recipe: Mapping[str, object],
        make: Callable[[Callable[[int, int], None]], Mapping[str, Tensor]],
    ) -> Mapping[str, Tensor]:
        """Return the tensors that `make(tell)` returned for this recipe, today or in an earlier run, as a stage.

        Pool, surrogates, way, shot and seed belong to every recipe; `tell(done, total)` reports progress.
        """
        ...

    def rng(self, *names: object) -> Generator:
        """Open the random stream of this name."""
        ...


@dataclass(frozen=True)
class Method(Component):
    """A row of the leaderboard: prepare once per track, then solve its episodes."""

    kind: ClassVar[str] = "method"
    needs: ClassVar[frozenset[Needs]] = frozenset()
    role: ClassVar[str] = "method"
    """'method', 'floor' or 'ceiling'; controls are shown apart."""

    @abstractmethod
    def prepare(self, bench: Workbench) -> Learner:
        """Do all that may be done before the first episode is seen."""

    def skip(self, track: Track) -> str | None:
        """Return why this method cannot run on a track, or None; the leaderboard shows the reason."""
        return None
