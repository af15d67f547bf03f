"""Every rule of the contract is effective: a plugin that violates only this rule fails it."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from freeshot import (
    Adapter,
    BackboneProvider,
    Column,
    EfficiencyStrategy,
    FewShotDataset,
    InversionMethod,
    Launcher,
    LayerView,
    Learner,
    MetaLearner,
    Needs,
    Predictor,
    Teacher,
    Track,
    Workbench,
)
from freeshot.basics.errors import DataError, PluginError
from freeshot.testing import check
from freeshot.testing.contract import report_on
from freeshot.testing.contract.all_rules import RULES
from freeshot.testing.contract.rules import CLASSES
from freeshot.testing.templates import backbone as good_backbone
from freeshot.testing.templates import column as good_column
from freeshot.testing.templates import dataset as good_dataset
from freeshot.testing.templates import inversion as good_inversion
from freeshot.testing.templates import launcher as good_launcher
from freeshot.testing.templates import meta_learner as good_meta_learner
from freeshot.testing.templates import method as good_method
from freeshot.testing.templates import strategy as good_efficiency
from freeshot.testing.templates import track as good_track
from freeshot.testing.toy import ToyImages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GOOD: dict[str, Any] = {
    "inversion": good_inversion.Mine,
    "strategy": good_efficiency.Mine,
    "meta-learner": good_meta_learner.Mine,
    "method": good_method.Mine,
    "dataset": good_dataset.Mine,
    "backbone": good_backbone.Mine,
    "launcher": good_launcher.Mine,
    "track": good_track.MINE,
    "column": good_column.MINE,
}


def broken(value: Any) -> dict[str, str]:
    """Return the titles of the violated rules, with their advice."""
    return {line.title: line.advice for line in report_on(value).lines if line.advice}


@pytest.mark.parametrize("kind", GOOD)
def test_the_templates_of_the_scaffold_pass_every_rule(kind: str) -> None:
    check(GOOD[kind])


def test_every_kind_has_rules_of_its_own() -> None:
    general = {rule.title for rule in RULES if rule.kinds == CLASSES}
    for kind in GOOD:
        assert [rule for rule in RULES if kind in rule.kinds and rule.title not in general]


# --- rules of every component -------------------------------------------------------------------


@dataclass(frozen=True)
class NeedsMore(good_inversion.Mine):
    """Cannot be built."""

    name = "bad"

    def __post_init__(self) -> None:
        raise DataError("The file gone.txt is missing.")


class NotADataclass(good_inversion.Mine):
    """Adds nothing to the list of options."""

    name = "bad"


@dataclass(frozen=True)
class NoSentence(good_inversion.Mine):
    """walks"""

    name = "bad"


@dataclass(frozen=True)
class Silent(good_inversion.Mine):
    """Has an option without help."""

    name = "bad"
    extra: int = 3


@dataclass(frozen=True)
class Forgetful(good_inversion.Mine):
    """Differs each time."""

    name = "bad"
    mark: float = field(default=0.0, compare=True)
    """Set to something random."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", random.random())


def a_class_made_inside() -> type[InversionMethod]:
    @dataclass(frozen=True)
    class Inside(good_inversion.Mine):
        """Is defined in a function."""

        name = "bad"

    return Inside


# --- inversion ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inverts(good_inversion.Mine):
    """Base of the plugins that violate a rule."""

    name = "bad"


@dataclass(frozen=True)
class TooFew(Inverts):
    """Leave an image out."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        return super().synthesize(teacher, labels, rng)[1:]


@dataclass(frozen=True)
class TooBright(Inverts):
    """Leave 0…1."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        return super().synthesize(teacher, labels, rng) + 1


@dataclass(frozen=True)
class WantsGradient(Inverts):
    """Return a parameter."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        return super().synthesize(teacher, labels, rng).requires_grad_()


@dataclass(frozen=True)
class GlobalNoise(Inverts):
    """Draw from torch's global stream."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        return (super().synthesize(teacher, labels, rng) + 0.1 * torch.rand(1)).clamp(0, 1)


@dataclass(frozen=True)
class NoNoise(Inverts):
    """Ignore the stream."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        return super().synthesize(teacher, labels, torch.Generator().manual_seed(0))


@dataclass(frozen=True)
class Relabels(Inverts):
    """Write into the labels."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        images = super().synthesize(teacher, labels, rng)
        labels.zero_()
        return images


@dataclass(frozen=True)
class LeavesGradients(Inverts):
    """Switch gradients of the frozen network on."""

    def synthesize(self, teacher: Any, labels: Tensor, rng: Generator) -> Tensor:
        next(teacher._backbone.vit.parameters()).requires_grad_(True)
        return super().synthesize(teacher, labels, rng)


@dataclass(frozen=True)
class Tunes(Inverts):
    """Move a weight of the frozen network."""

    def synthesize(self, teacher: Any, labels: Tensor, rng: Generator) -> Tensor:
        with torch.no_grad():
            next(teacher._backbone.vit.parameters()).add_(1e-3)
        return super().synthesize(teacher, labels, rng)


@dataclass(frozen=True)
class LeavesAHook(Inverts):
    """Leave a hook behind."""

    def synthesize(self, teacher: Any, labels: Tensor, rng: Generator) -> Tensor:
        teacher._backbone.vit.register_forward_hook(lambda *_: None)
        return super().synthesize(teacher, labels, rng)


@dataclass(frozen=True)
class Unstoppable(Inverts):
    """Swallow an interruption."""

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        try:
            return super().synthesize(teacher, labels, rng)
        except KeyboardInterrupt:
            return torch.zeros(len(labels), 3, 16, 16)


# --- efficiency ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chooses(EfficiencyStrategy):
    """Base of the plugins that violate a rule: keep the first half in the first layer."""

    name = "bad"

    def layers(self, depth: int) -> tuple[int, ...]:
        return (0,)

    def select(self, view: LayerView) -> Tensor | None:
        return view.kept[:, : view.kept.shape[1] // 2]


@dataclass(frozen=True)
class TooDeep(Chooses):
    """Name a layer behind the last."""

    def layers(self, depth: int) -> tuple[int, ...]:
        return (0, depth) if depth < 4 else (0,)


@dataclass(frozen=True)
class Positions(Chooses):
    """Return positions where numbers of patches are expected."""

    def select(self, view: LayerView) -> Tensor:
        return torch.arange(1, 5).expand(len(view.kept), -1)


@dataclass(frozen=True)
class Twice(Chooses):
    """Keep a patch twice."""

    def select(self, view: LayerView) -> Tensor:
        return view.kept[:, :1].repeat(1, 2) if len(view.attention) == 2 else view.kept


@dataclass(frozen=True)
class Nothing(Chooses):
    """Keep no patch where there are many."""

    def select(self, view: LayerView) -> Tensor:
        return view.kept[:, : 0 if view.kept.shape[1] > 100 else 8]


@dataclass(frozen=True)
class Moody(Chooses):
    """Choose at random."""

    def select(self, view: LayerView) -> Tensor:
        return view.kept[:, : random.randint(1, view.kept.shape[1])]


@dataclass(frozen=True)
class Scribbles(Chooses):
    """Write into the attention."""

    def select(self, view: LayerView) -> Tensor:
        kept = view.kept[:, :4].clone()
        view.attention.mul_(2)
        return kept


@dataclass(frozen=True)
class Infinite(Chooses):
    """Make the tokens infinite."""

    def residual(self, tokens: Tensor, normed: Tensor) -> Tensor:
        return tokens / 0


# --- meta-learners ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learns(good_meta_learner.Mine):
    """Base of the plugins that violate a rule."""

    name = "bad"


@dataclass(frozen=True)
class ReturnsNothing(Learns):
    """Forget to return."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Any:
        super().fit(model, tasks, rng)


@dataclass(frozen=True)
class HalfAnAdapter(Learns):
    """Leave tensors out."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        adapter = super().fit(model, tasks, rng)
        return Adapter(dict(list(adapter.tensors.items())[:1]))


@dataclass(frozen=True)
class Idle(MetaLearner):
    """Learn nothing."""

    name = "bad"

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        adapter: Adapter = model.snapshot()
        return adapter


@dataclass(frozen=True)
class ShakesGlobally(Learns):
    """Add noise from torch's global stream."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        super().fit(model, tasks, rng)
        with torch.no_grad():
            for weight in model.lora():
                weight.add_(torch.rand(()) * 1e-3)
        return model.snapshot()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class MakesItsOwnTasks(Learns):
    """Move by a fixed step, without the tasks."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        for _ in tasks.take(4):
            with torch.no_grad():
                for weight in model.lora():
                    weight.add_(1e-3)
        return model.snapshot()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class SpoilsTasks(Learns):
    """Write into the images."""

    def loss(self, model: Any, task: Any) -> Tensor:
        loss = super().loss(model, task)
        task.query.images.mul_(0.5)
        return loss


@dataclass(frozen=True)
class Aliased(Learns):
    """Return the very weights."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        adapter = super().fit(model, tasks, rng)
        live = dict(zip(adapter.tensors, (w.data for w in model.lora()), strict=True))
        return Adapter({name: live.get(name, tensor) for name, tensor in adapter.tensors.items()})


@dataclass(frozen=True)
class TunesTheNetwork(Learns):
    """Switch a frozen weight's gradient on."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        next(model.backbone.vit.parameters()).requires_grad_(True)
        return super().fit(model, tasks, rng)


@dataclass(frozen=True)
class KeepsLearning(Learns):
    """Swallow an interruption."""

    def fit(self, model: Any, tasks: Any, rng: Generator) -> Adapter:
        try:
            return super().fit(model, tasks, rng)
        except KeyboardInterrupt:
            return model.snapshot()  # type: ignore[no-any-return]


# --- methods ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Embeds(good_method.Mine):
    """Base of the plugins that violate a rule."""

    name = "bad"


@dataclass(frozen=True)
class Crashes(Embeds):
    """Divide by zero."""

    def prepare(self, bench: Workbench) -> Learner:
        raise ZeroDivisionError("no reason")


@dataclass(frozen=True)
class FiveShotsBreakIt(Embeds):
    """Support one shot only."""

    def prepare(self, bench: Workbench) -> Learner:
        if bench.shot > 1:
            raise NotImplementedError("one shot only")
        return super().prepare(bench)


@dataclass(frozen=True)
class Undeclared(Embeds):
    """Request base images without declaring it."""

    def prepare(self, bench: Workbench) -> Learner:
        bench.base_tasks(flip=False)
        return super().prepare(bench)


class Projecting(Learner):
    """Embeds by a product with a matrix."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :8] @ self.matrix


@dataclass(frozen=True)
class DrawsGlobally(Embeds):
    """Return a learner whose matrix is drawn from the global stream."""

    def prepare(self, bench: Workbench) -> Learner:
        return Projecting(torch.randn(8, 3))


class Averaging(Learner):
    """Take the mean of all episodes' support images for a class."""

    episodes_per_batch = 4

    def adapt_many(self, support: Tensor, way: int, rngs: Sequence[Generator]) -> Predictor:
        means = support.flatten(2).view(len(support), way, -1, support[0, 0].numel()).mean((0, 2))  # [c, pixels]
        return lambda queries: queries.flatten(2) @ means.mT


@dataclass(frozen=True)
class MixesEpisodes(Embeds):
    """Return a learner that mixes episodes."""

    def prepare(self, bench: Workbench) -> Learner:
        return Averaging()


@dataclass(frozen=True)
class Deaf(Embeds):
    """Swallow an interruption."""

    needs = frozenset({Needs.POOL})

    def prepare(self, bench: Workbench) -> Learner:
        from freeshot import Choice

        with contextlib.suppress(KeyboardInterrupt):
            bench.surrogates(Choice("inversion", "gaussian-noise"), Choice("strategy", "none"), 3)
        return super().prepare(bench)


class Counting:
    """Number of preparations in this process."""

    count = 0


@dataclass(frozen=True)
class RemembersItsProcess(Embeds):
    """Keep state in a class; the same in every later run of a process, another in a fresh one."""

    def prepare(self, bench: Workbench) -> Learner:
        Counting.count += 1
        return Projecting(torch.randn(8, 3, generator=torch.Generator().manual_seed(min(Counting.count, 2))))


@dataclass(frozen=True)
class SkipsAll(Embeds):
    """Skip every track."""

    def skip(self, track: Track) -> str:
        return "I do not feel like it."


# --- data sets, backbones, launchers, tracks, columns -------------------------------------------


@dataclass(frozen=True)
class Waves(FewShotDataset):
    """Base of the plugins that violate a rule."""

    name = "bad"
    opened: ClassVar[list[str]] = []

    def load(self, split: str, root: Path) -> Any:
        return ToyImages({"base": (0, 1), "validation": (2, 3), "novel": (4, 5)}[split])


class Odd(ToyImages):
    """Images with one wrong property."""

    def __init__(self, like: ToyImages, **wrong: Any) -> None:
        super().__init__(like.kinds)
        object.__setattr__(self, "wrong", wrong)

    @property
    def labels(self) -> Any:
        return self.wrong["labels"](super().labels) if "labels" in self.wrong else super().labels  # type: ignore[attr-defined]

    @property
    def sha256(self) -> str:
        return str(self.wrong["sha256"]()) if "sha256" in self.wrong else super().sha256  # type: ignore[attr-defined]

    def read(self, indices: Sequence[int]) -> Tensor:
        wanted: Callable[[Sequence[int]], Sequence[int]] = getattr(self, "wrong").get("order", lambda i: i)  # noqa: B009
        read = super().read(wanted(indices))
        return read.float() if "float" in getattr(self, "wrong") else read  # noqa: B009


def odd(**wrong: Any) -> type[FewShotDataset]:
    """Make a data set whose images are wrong in one way."""

    def load(self: Waves, split: str, root: Path) -> Odd:
        return Odd(Waves.load(self, split, root), **wrong)

    made = type("Made", (Waves,), {"__doc__": "Wrong in one way.", "__module__": __name__, "load": load})
    return dataclass(frozen=True)(made)


@dataclass(frozen=True)
class Leaking(Waves):
    """Show a class in two splits."""

    def load(self, split: str, root: Path) -> Any:
        return ToyImages((0, 1)) if split == "base" else ToyImages((1, 2))


class Cut(ToyImages):
    """Images cut to a height and a width."""

    def __init__(self, like: ToyImages, height: int, width: int) -> None:
        super().__init__(like.kinds)
        object.__setattr__(self, "size", (height, width))

    def read(self, indices: Sequence[int]) -> Tensor:
        height, width = getattr(self, "size")  # noqa: B009
        return super().read(indices)[:, :, :height, :width]


class Stubborn(ToyImages):
    """Images that are offered at any side and returned at a single side."""

    def at(self, side: int) -> Stubborn:
        return self


@dataclass(frozen=True)
class Wide(Waves):
    """Show images that are not square."""

    def load(self, split: str, root: Path) -> Any:
        return Cut(super().load(split, root), 12, 16)


@dataclass(frozen=True)
class TwoSizes(Waves):
    """Show novel images at a size of their own."""

    def load(self, split: str, root: Path) -> Any:
        return Cut(super().load(split, root), *((12, 12) if split == "novel" else (16, 16)))


@dataclass(frozen=True)
class OneSize(Waves):
    """Ignore the side that is passed to at."""

    def load(self, split: str, root: Path) -> Any:
        return Stubborn(super().load(split, root).kinds)


@dataclass(frozen=True)
class Missing(Waves):
    """Raise that a file is missing."""

    def load(self, split: str, root: Path) -> Any:
        raise DataError(f"Put images.zip into {root}.")


@dataclass(frozen=True)
class FreshWeights(good_backbone.Mine):
    """Draw other weights each time it is opened."""

    name = "bad"

    def build(self) -> nn.Module:
        vit = super().build()
        with torch.no_grad():
            next(vit.parameters()).add_(torch.rand(()))
        return vit


class Flat(nn.Module):
    """Maps every image to ones."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, images: Tensor) -> Tensor:
        return self.weight.expand(len(images), 4)


@dataclass(frozen=True)
class ConstantFeatures(BackboneProvider):
    """Map everything to the same."""

    name = "bad"

    def build(self) -> nn.Module:
        return Flat()

    def image_size(self) -> int:
        return 8


@dataclass(frozen=True)
class OnlyTheFirst(Launcher):
    """Run one cell."""

    name = "bad"

    def launch(self, cells: Any, run_cell: Any) -> None:
        for cell in cells[:1]:
            run_cell(cell)


CASES: list[tuple[Any, str, str]] = [
    (NeedsMore, "constructs with its defaults", "The file gone.txt is missing."),
    (NotADataclass, "its name, docstring", "is not a frozen dataclass"),
    (NoSentence, "its name, docstring", "is not a sentence. End it with a full stop."),
    (Silent, "each option has a description", "Missing description of extra."),
    (Forgetful, "options can be stored as JSON", "came back from JSON as"),
    (a_class_made_inside(), "can be sent to a worker process", "Define the class at the top of its module."),
    (TooFew, "gives images in 0…1", "For 2 classes of 1 it gave [1, 3, 16, 16]"),
    (TooBright, "gives images in 0…1", "Clamp them before returning."),
    (WantsGradient, "gives images in 0…1", "Return images.detach()."),
    (GlobalNoise, "the same seed gives the same images", "Draw every random number from `rng`."),
    (NoNoise, "another seed gives other images", "Start from numbers drawn with `rng`."),
    (Relabels, "does not modify the labels", "Work on a copy."),
    (LeavesGradients, "does not modify the network", "Differentiate by your own tensors only."),
    (Tunes, "does not modify the network", "The frozen network's weights were changed."),
    (LeavesAHook, "does not modify the network", "A hook was left on the network."),
    (Unstoppable, "can be interrupted", "Do not catch KeyboardInterrupt"),
    (TooDeep, "names layers that the network has", "Stay within 0…1."),
    (Positions, "selects a subset of the patches", "Choose from view.kept, by gather."),
    (Twice, "selects a subset of the patches", "It chose duplicate or dropped patches"),
    (Nothing, "selects a subset of the patches", "It kept no patch."),
    (Moody, "gives the same selection for the same view", "Draw random numbers from your own seed."),
    (Scribbles, "does not modify its inputs", "Work on copies."),
    (Infinite, "a network with it gives features", "not finite"),
    (ReturnsNothing, "returns an adapter", "fit returned NoneType."),
    (HalfAnAdapter, "returns an adapter", "The adapter's tensors are not the LoRA's."),
    (Idle, "learns:", "Take steps on model.lora()."),
    (ShakesGlobally, "the same seed gives the same LoRA", "Draw every random number from `rng`."),
    (MakesItsOwnTasks, "another seed gives another LoRA", "Use the tasks of `tasks.take`"),
    (SpoilsTasks, "does not modify the tasks", "Work on copies."),
    (Aliased, "the adapter is a copy", "Return model.snapshot(), which copies."),
    (TunesTheNetwork, "does not modify the network", "Differentiate by your own tensors only."),
    (KeepsLearning, "can be interrupted", "Do not catch KeyboardInterrupt"),
    (Crashes, "runs a toy track of 2 ways", "ZeroDivisionError: no reason"),
    (FiveShotsBreakIt, "runs a toy track of 5 ways", "NotImplementedError: one shot only"),
    (Undeclared, "runs a toy track of 2 ways", "Add Needs.BASE_IMAGES to its needs"),
    (SkipsAll, "runs a toy track of 2 ways", "I do not feel like it."),
    (DrawsGlobally, "the same seed gives the same accuracies", "bench.rng"),
    (MixesEpisodes, "runs a toy track of 2 ways", "Predictions depend on other episodes"),
    (Deaf, "can be interrupted", "Do not catch KeyboardInterrupt"),
    (RemembersItsProcess, "gives the same results in worker processes", "Store no state outside its fields."),
    (odd(labels=lambda labels: labels.astype(float)), "each image has a label", "Return 40 integers."),
    (odd(labels=lambda labels: labels + 1), "each image has a label", "labels do not cover 0…1"),
    (Missing, "each image has a label", "Put images.zip into data."),
    (Leaking, "no class is in two splits", "Novel classes must be new."),
    (odd(float=True), "images are read in the given order", "Return uint8 [b, 3, h, w]."),
    (odd(order=sorted), "images are read in the given order", "Keep the given order."),
    (Wide, "images are square and of one size", "base: images are 16 × 12 px. Return squares"),
    (TwoSizes, "images are square and of one size", "Splits differ in size: base 16 px, novel 12 px. Return one size"),
    (OneSize, "images are square and of one size", "base: at(32) gives [16, 16] px. Return the side that was passed."),
    (odd(sha256=random.random), "a split is identified by its hash", "Hash the images and nothing else"),
    (odd(sha256=lambda: ""), "a split is identified by its hash", "Hash pixels and labels"),
    (ConstantFeatures, "maps images to features", "Return features, not a constant."),
    (ConstantFeatures, "has the layers that LoRAs modify", "Use a timm ViT."),
    (FreshWeights, "has the same weights each time it is opened", "Load them from a file"),
    (replace(good_track.MINE, dataset="toy-wave"), "its data set, backbone and pool", "Did you mean 'toy-waves'?"),
    (replace(good_track.MINE, episodes_sha256="0" * 64), "its episodes can be drawn", "episode"),
    (
        replace(good_track.MINE, backbone="pocket-vit"),
        "its images have the size",
        "'toy-waves' gives images of 16 px, but the backbone 'pocket-vit' takes 28 px. Return 28 px, offer at(side)",
    ),
    (OnlyTheFirst, "runs every cell once", "Call run_cell once for each."),
    (Column("bad", lambda record: [record]), "returns a number", "Return a number, a text or None."),  # type: ignore[arg-type,return-value]
    (Column("bad", lambda record: record.interval.mean), "returns a number", "has no attribute 'mean'"),  # type: ignore[union-attr]
]


def called(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


@pytest.mark.parametrize(("value", "title", "advice"), CASES, ids=[f"{called(v)}-{t[:20]}" for v, t, _ in CASES])
def test_a_violated_rule_is_named_with_advice(value: Any, title: str, advice: str) -> None:
    Counting.count = 0
    actual = broken(value)
    received = {text for rule, text in actual.items() if rule.startswith(title)}
    assert received, actual
    assert advice in received.pop(), actual


def test_every_rule_has_a_plugin_that_violates_it() -> None:
    for rule in RULES:
        assert [title for _, title, _ in CASES if rule.title.startswith(title)], rule.title


def test_a_value_that_is_not_a_plugin_is_refused() -> None:
    with pytest.raises(PluginError, match="is not a component class, track or column"):
        check(3)


def test_options_can_be_set_for_the_check() -> None:
    from freeshot_lora_recycle.inversion import LoraInversion

    with pytest.raises(AssertionError, match="be strictly data-free"):
        check(LoraInversion)
    check(LoraInversion, prior="none")


def test_labels_of_a_valid_split_cover_its_classes() -> None:
    images = good_dataset.Mine().load("novel", Path())
    assert np.bincount(images.labels).tolist() == [20] * 5
