"""Plugins that would score well without using the images, or that violate the contract of their interface.

Each method here is named after what it does. None of them may be ranked: `test_cheats.py` runs them all.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from freeshot import Learner, Method, Needs, Predictor, Shots, Workbench
from freeshot.basics.seeds import stream
from freeshot.ops.prototypes import prototype_logits
from freeshot.pool.store import open_pool
from freeshot.testing.toy import POOL, ToyWaves

NOWHERE: Any = None
"""The toy pictures need no folder."""


class Flat(Learner):
    """Honest: features are the pixels."""

    def embed(self, images: Tensor) -> Tensor:
        """Return pixels [b, 3·h·w]."""
        return images.flatten(1)


def means(support: Tensor, query: Tensor, way: int) -> Tensor:
    """Honest: minus the distances to the class means [e, q, c]."""
    labels = torch.arange(way).repeat_interleave(support.shape[1] // way).expand(len(support), -1)
    return prototype_logits(query, support, labels, way, distance="euclidean")


def by_position(order: Tensor, way: int) -> Tensor:
    """Score queries by their positions [.., q] in a list that is ordered by class."""
    return nn.functional.one_hot(order * way // order.shape[-1], way).float()


# --- the order of queries -------------------------------------------------------------------------


class HeadRecomputesTheShuffle(Flat):
    """Recompute a shuffle that is seeded by sizes alone."""

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Ignore both."""
        shape = query.shape[:2]
        return by_position(torch.rand(shape, generator=stream(0, "query order", *shape)).argsort(1), way)


class HeadUsesThePosition(Flat):
    """Assume that queries are ordered by class."""

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Ignore both."""
        return by_position(torch.arange(query.shape[1]).expand(len(query), -1), way)


class AdaptRecomputesTheShuffle(Learner):
    """Recompute a shuffle that is seeded by the episode's number."""

    def __init__(self) -> None:
        self.episode = -1

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Count episodes."""
        self.episode += 1
        number = self.episode

        def predict(images: Tensor) -> Tensor:
            return by_position(torch.randperm(len(images), generator=stream(0, "query order", number)), way)

        return predict


class AdaptManyUsesThePosition(Learner):
    """Assume that queries are ordered by class, in many episodes at once."""

    episodes_per_batch = 5

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        """Ignore the support sets."""
        return lambda images: by_position(torch.arange(images.shape[1]).expand(len(images), -1), way)


class AdaptRanksByHash(Learner):
    """Rank queries by a hash of their pixels, as the harness does, and cut the ranking into classes."""

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Ignore the support set."""
        from freeshot.evaluation.query_order import pixel_keys

        return lambda images: by_position(pixel_keys((images * 255).round().byte()).argsort().argsort(), way)


class EmbedCounts(Learner):
    """Number images in the order in which they are embedded."""

    seen = 0

    def embed(self, images: Tensor) -> Tensor:
        """Count."""
        start = self.seen
        self.seen += len(images)
        return torch.arange(start, self.seen).float().unsqueeze(1)


# --- other episodes, neighbours, numbers of classes -------------------------------------------------


class HeadStoresEpisodes(Flat):
    """Move each query towards the queries of earlier episodes."""

    def __init__(self) -> None:
        self.memory: list[Tensor] = []

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Store the input."""
        self.memory.append(query.flatten(0, 1).clone())
        centre = torch.cat(self.memory).mean(0)
        return means(support, query + 3 * centre, way) * (1 + len(self.memory))


class AdaptStoresEpisodes(Learner):
    """Add the support sets of earlier episodes to this one's."""

    def __init__(self) -> None:
        self.memory: list[Tensor] = []

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Store the input."""
        own = support.images.flatten(1)
        self.memory.append(own.clone())
        shown = own + 3 * torch.stack(self.memory).mean(0)
        return lambda images: means(shown.unsqueeze(0), images.flatten(1).unsqueeze(0), way)[0]


class EmbedUsesTheBatch(Learner):
    """Subtract the mean of the batch, as batch normalisation in training mode does."""

    def embed(self, images: Tensor) -> Tensor:
        """Normalise each image by its batch."""
        flat = images.flatten(1)
        return (flat - flat.mean(0)) / (flat.std(0, correction=0) + 0.1)


class HeadIsTransductive(Flat):
    """Move class means towards near queries, without declaring it."""

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Take one step of soft k-means."""
        share = (means(support, query, way) * 10).softmax(-1)  # [e, q, c]
        centres = (share.mT @ query) / share.sum(1).unsqueeze(-1)  # [e, c, d]
        return -torch.cdist(query, centres) * 10


class HeadPrefersTheFirst(Flat):
    """Give the class with number 0 an advantage."""

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Add to the first score."""
        return means(support, query, way) + torch.eye(way)[0]


# --- refusals that are caught ------------------------------------------------------------------------


def swallowing(act: Callable[[Workbench], object]) -> Callable[[Workbench], Learner]:
    """Prepare an honest learner after an attempt, and ignore its errors."""

    def prepare(bench: Workbench) -> Learner:
        with suppress(Exception):
            act(bench)
        return Flat()

    return prepare


def in_a_thread(act: Callable[[], object]) -> None:
    """Attempt something in a thread, without the context variables of this thread."""
    result: list[Exception] = []

    def run() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - a thread's error would be a warning, which tests turn into errors
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


class EmbedOpensTheSplit(Flat):
    """Open the test classes during scoring, and continue when that is refused."""

    def embed(self, images: Tensor) -> Tensor:
        """Try, then embed."""
        with suppress(Exception):
            ToyWaves().load("novel", NOWHERE)
        return super().embed(images)


# --- changing what is shared -------------------------------------------------------------------------


def network_of(bench: Workbench) -> nn.Module:
    """Return the frozen network of the learner that the bench returns."""
    learner: Any = bench.frozen()
    network: nn.Module = learner.network
    return network


def scale_weights(bench: Workbench) -> Learner:
    """Change the frozen network."""
    with torch.no_grad():
        next(network_of(bench).parameters()).mul_(0)
    return Flat()


def scale_weights_through_gc(bench: Workbench) -> Learner:
    """Change every network in memory, until `restore_weights` is called."""
    with torch.no_grad():
        for thing in gc.get_objects():
            if issubclass(type(thing), nn.Linear):  # isinstance would import deprecated proxies
                thing.weight.mul_(0.5)  # exact, and so is its reverse
                HALVED.append(thing)
    return Flat()


HALVED: list[nn.Linear] = []


def restore_weights() -> None:
    """Restore the weights of the networks of other tests."""
    with torch.no_grad():
        while HALVED:
            HALVED.pop().weight.mul_(2)


def hook_the_network(bench: Workbench) -> Learner:
    """Leave a hook on the frozen network."""
    network_of(bench).register_forward_hook(lambda module, inputs, output: output * 0)
    return Flat()


def replace_forward(bench: Workbench) -> Learner:
    """Give the frozen network another forward method."""
    network: Any = network_of(bench)
    network.forward = lambda images: images.flatten(1)[:, :8]
    return Flat()


def zero_the_pool(bench: Workbench) -> Learner:
    """Change the LoRAs that later methods receive."""
    for entry in bench.pool().entries:
        entry.head_weight.zero_()
    return Flat()


class HeadWritesSupport(Flat):
    """Write into the support features."""

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Centre in place."""
        support -= support.mean(1, keepdim=True)
        return means(support, query, way)


class AdaptWritesSupport(Learner):
    """Write into the support images."""

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Brighten in place."""
        support.images.add_(0.5)
        shown = support.images.flatten(1)
        return lambda images: means(shown.unsqueeze(0), images.flatten(1).unsqueeze(0), way)[0]


class EmbedWritesImages(Flat):
    """Write into the images."""

    def embed(self, images: Tensor) -> Tensor:
        """Darken in place."""
        return super().embed(images.mul_(0.5))


# --- functions of the harness ------------------------------------------------------------------------


def patch_argmax(bench: Workbench) -> Learner:
    """Replace a function that turns scores into predictions."""
    torch.argmax = lambda scores, *rest, **more: torch.zeros(scores.shape[:-1], dtype=torch.long)
    return Flat()


def patch_the_scorer(bench: Workbench) -> Learner:
    """Replace the function that scores predictions."""
    from freeshot.evaluation import scoring

    score = vars(scoring)["score_queries"]
    module: Any = scoring
    module.score_queries = lambda logits, labels, taken: score(logits, labels, labels.expand_as(taken))
    return Flat()


def patch_code(bench: Workbench) -> Learner:
    """Exchange the code of a function of the harness, which stays the same object."""
    from freeshot.evaluation import metrics as metrics_module

    def score(logits: Tensor, labels: Tensor, taken: Tensor) -> Any:
        return concatenate([])  # type: ignore[name-defined] # noqa: F821

    metrics_module.score_queries.__code__ = score.__code__
    return Flat()


def patch_a_class(bench: Workbench) -> Learner:
    """Replace a method of a class of the harness."""
    Learner.classify = HeadUsesThePosition.classify  # type: ignore[assignment, method-assign]
    return Flat()


def shadow_a_builtin(bench: Workbench) -> Learner:
    """Hide one of Python's functions from the scorer."""
    from freeshot.evaluation import scoring

    scoring.len = lambda things: 1  # type: ignore[attr-defined]
    return Flat()


class EmbedPatches(Flat):
    """Replace a function while it is scored."""

    def embed(self, images: Tensor) -> Tensor:
        """Patch, then embed."""
        patch_argmax(NOWHERE)
        return super().embed(images)


# --- what is returned --------------------------------------------------------------------------------


class Returning(Flat):
    """Return something that is not a score of each query."""

    def __init__(self, wrong: Callable[[Tensor], Tensor]) -> None:
        self.wrong = wrong

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Change honest scores."""
        return self.wrong(means(support, query, way))


class SecretlyTunes(Flat):
    """Claim to be tuning-free, and fit a head to each support set."""

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        """Step an optimiser."""
        labels = torch.arange(way).repeat_interleave(support.shape[1] // way)
        with torch.inference_mode(mode=False), torch.enable_grad():
            weight = nn.Parameter(torch.zeros(support.shape[-1], way))
            optimizer = torch.optim.SGD([weight], lr=0.1)
            for shown in support.clone():
                optimizer.zero_grad()
                nn.functional.cross_entropy(shown @ weight, labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return means(support, query, way)


class SecretlyFollowsGradients(Learner):
    """Claim to generate without tuning, and follow gradients without an optimiser."""

    generates_weights = True

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        """Move the class means by hand."""
        shown = support.images.flatten(1).clone().requires_grad_()
        loss = means(shown.unsqueeze(0), shown.unsqueeze(0), way).sum()
        (slope,) = torch.autograd.grad(loss, shown)
        centre = (shown - 0.01 * slope).detach()
        return lambda images: means(centre.unsqueeze(0), images.flatten(1).unsqueeze(0), way)[0]


# --- the gallery -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cheat(Method):
    """Prepare with one of the functions above."""

    name = "cheat"
    how = staticmethod(lambda bench: Flat())

    def prepare(self, bench: Workbench) -> Learner:
        """Cheat."""
        return self.how(bench)


def method(prepare: Callable[[Workbench], Learner], needs: frozenset[Needs] = frozenset()) -> type[Method]:
    """Make a method class of a function that prepares."""
    fields = {"__doc__": "Cheat.", "__module__": __name__, "how": staticmethod(prepare), "needs": needs}
    return dataclass(frozen=True)(type("Made", (Cheat,), {**fields, "name": "cheat"}))


def handing(learner: Callable[[], Learner]) -> type[Method]:
    """Make a method class that returns a learner."""
    return method(lambda bench: learner())


ORDER = "Predictions depend on the order of the queries"
GALLERY: dict[str, tuple[type[Method], str]] = {
    "a head knows the shuffle": (handing(HeadRecomputesTheShuffle), ORDER),
    "a head trusts the position": (handing(HeadUsesThePosition), ORDER),
    "adapt knows the shuffle": (handing(AdaptRecomputesTheShuffle), "Predictions depend on"),
    "adapt_many trusts the position": (handing(AdaptManyUsesThePosition), ORDER),
    "adapt ranks by hash": (handing(AdaptRanksByHash), "Predictions depend on the other queries of the episode"),
    "embed counts images": (handing(EmbedCounts), "Features depend on the batch"),
    "a head remembers episodes": (handing(HeadStoresEpisodes), "Predictions depend on other episodes"),
    "adapt remembers episodes": (handing(AdaptStoresEpisodes), "Predictions depend on other episodes"),
    "embed reads neighbours": (handing(EmbedUsesTheBatch), "Features depend on the batch"),
    "undeclared transduction": (handing(HeadIsTransductive), "Declare transductive = True"),
    "a head prefers a number": (handing(HeadPrefersTheFirst), "Predictions depend on how the classes are numbered"),
    "swallows an undeclared need": (
        method(swallowing(lambda bench: bench.pool())),
        "requested the pool, which it did not declare",
    ),
    "swallows a sealed split": (
        method(swallowing(lambda bench: ToyWaves().load("novel", NOWHERE))),
        "The novel classes of 'toy-waves' must not be opened",
    ),
    "swallows a sealed pool": (method(swallowing(lambda bench: open_pool(POOL))), "The pool in .* must not be opened"),
    "opens a split in a thread": (
        method(swallowing(lambda bench: in_a_thread(lambda: ToyWaves().load("novel", NOWHERE)))),
        "The novel classes of 'toy-waves' must not be opened",
    ),
    "opens a data set directly": (
        method(lambda bench: ToyWaves().load("base", NOWHERE) and Flat()),  # type: ignore[arg-type, return-value]
        "The base classes of 'toy-waves' must not be opened",
    ),
    "opens a split while scored": (handing(EmbedOpensTheSplit), "The novel classes of 'toy-waves' must not be opened"),
    "changes the backbone": (method(scale_weights), "changed the frozen backbone"),
    "changes the backbone through gc": (method(scale_weights_through_gc), "changed the frozen backbone"),
    "hooks the backbone": (method(hook_the_network), "changed the frozen backbone"),
    "replaces the backbone's forward": (method(replace_forward), "changed the frozen backbone"),
    "changes the pool": (method(zero_the_pool, frozenset({Needs.POOL})), "changed the LoRAs of the pool 'toy'"),
    "a head writes into the support set": (handing(HeadWritesSupport), "modified the support features"),
    "adapt writes into the support set": (handing(AdaptWritesSupport), "modified the support images"),
    "embed writes into images": (handing(EmbedWritesImages), "modified the .*images in place"),
    "patches torch.argmax": (method(patch_argmax), "replaced torch.argmax"),
    "patches the scorer": (method(patch_the_scorer), "replaced freeshot.evaluation.scoring.score_queries"),
    "exchanges code": (method(patch_code), "replaced freeshot.evaluation.metrics.score_queries"),
    "patches a class": (method(patch_a_class), "replaced freeshot.contracts.method.Learner.classify"),
    "hides a builtin": (method(shadow_a_builtin), "replaced freeshot.evaluation.scoring.len"),
    "patches while scored": (handing(EmbedPatches), "replaced torch.argmax"),
    "returns a wrong shape": (handing(lambda: Returning(lambda s: s[..., :1])), "must score"),
    "returns NaN": (handing(lambda: Returning(lambda s: s * float("nan"))), "not all finite"),
    "returns equal scores": (handing(lambda: Returning(lambda s: s * 0)), "the same score for every query"),
    "returns one class": (
        handing(lambda: Returning(lambda s: torch.eye(s.shape[-1])[0].expand_as(s))),
        "Predictions depend on how the classes are numbered",
    ),
    "tunes and denies it": (handing(SecretlyTunes), "is declared tuning-free"),
    "follows gradients and denies it": (handing(SecretlyFollowsGradients), "is declared tuning-free"),
}
"""Title → method, and the reason in its record."""
