"""What a run needs is asked for before the first second is spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

from freeshot import FewShotDataset, InversionMethod, Learner, Method, Needs
from freeshot.basics.errors import DataError, OptionError, StoreError
from freeshot.contracts.launcher import Launcher
from freeshot.launch.launchers.submitit import SubmititLauncher
from freeshot.pipeline.context import RunContext
from freeshot.testing.toy import TRACKS, ToyImages, ToyWaves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.conftest import Toy
    from torch import Generator, Tensor

    from freeshot import Teacher, Workbench
    from freeshot.contracts.dataset import Images
    from freeshot.records.models import RunSpec

PREPARED: list[str] = []


@dataclass(frozen=True)
class Gone(FewShotDataset):
    """Images that nobody put there."""

    name, domain, license = "gone", "none", "none"

    def load(self, split: str, root: Path) -> Images:
        """Say what to put where."""
        raise DataError("No images of 'gone'. Put them there.")


@dataclass(frozen=True)
class Eager(Method):
    """Note that work began."""

    name = "eager"

    def prepare(self, bench: Workbench) -> Learner:
        """Begin."""
        PREPARED.append(self.name)
        return bench.frozen()


@dataclass(frozen=True)
class Extra(Eager):
    """Need a package that is not there, and images of classes for validation."""

    name = "extra"
    needs = frozenset({Needs.VALIDATION})

    def require_ready(self) -> None:
        """Ask for it."""
        raise OptionError("The package 'extra' is missing. Install it.")


@dataclass(frozen=True)
class Weighty(InversionMethod):
    """Need a file."""

    name = "weighty"

    def require_ready(self) -> None:
        """Ask for it."""
        raise DataError("The file of weights is missing. Put it there.")

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Never get here."""
        raise AssertionError


@dataclass(frozen=True)
class Far(Launcher):
    """Run cells where another device is."""

    name = "far"
    remote = True

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Note where this process would compute."""
        device: Any = run_cell._here.device  # type: ignore[attr-defined]
        PREPARED.append(str(device))


@pytest.fixture
def stocked(toy: Toy) -> Toy:
    from dataclasses import replace

    track = replace(TRACKS[0], name="toy/gone/2w1s", dataset="gone", sources=("gone",))
    toy.offer(methods=[Eager, Extra], inversion_methods=[Weighty], datasets=[Gone], tracks=[track], launchers=[Far])
    PREPARED.clear()
    return toy


def test_images_that_are_missing_stop_a_run_before_it_begins(stocked: Toy) -> None:
    with pytest.raises(DataError, match=r"^No images of 'gone'\. Put them there\.$"):
        stocked.launch("eager", suite=None, tracks=("toy/*/2w1s",))
    assert not PREPARED
    assert not list(stocked.results.rglob("*.json"))


def test_all_that_is_missing_is_named_at_once(stocked: Toy) -> None:
    options = ("inversion=weighty",)
    with pytest.raises(DataError) as caught:
        stocked.launch("eager", "extra", "lora-recycle", suite=None, tracks=("toy/gone/2w1s",), options=options)
    assert str(caught.value) == (
        "The package 'extra' is missing. Install it. The file of weights is missing. Put it there. "
        "No images of 'gone'. Put them there."
    )


@dataclass(frozen=True, eq=False)
class Small(ToyImages):
    """Images of 12 px that count how many were read."""

    read_so_far: ClassVar[list[int]] = []

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, 12, 12]."""
        self.read_so_far.extend(indices)
        return super().read(indices)[:, :, :12, :12]


@dataclass(frozen=True, eq=False)
class AnySize(Small):
    """The same, shown at any size."""

    def at(self, side: int) -> ToyImages:
        """Return images of 16 px, whatever the side."""
        return ToyImages(self.kinds)


@dataclass(frozen=True)
class Folder(ToyWaves):
    """A data set of one size."""

    name = "my-folder"
    images: ClassVar[type[ToyImages]] = Small

    def load(self, split: str, root: Path) -> ToyImages:
        """Return one split; that for validation fits."""
        images = super().load(split, root)
        return images if split == "validation" else self.images(images.kinds)


@dataclass(frozen=True)
class Resized(Folder):
    """A data set of any size."""

    name = "resized"
    images = AnySize


@dataclass(frozen=True)
class Broken(Folder):
    """A data set whose images cannot be read."""

    name = "broken"

    def load(self, split: str, root: Path) -> Any:
        """Return what is no image."""
        return range(60)


@dataclass(frozen=True)
class Based(Eager):
    """Need base images."""

    name = "based"
    needs = frozenset({Needs.BASE_IMAGES})


@pytest.fixture
def sized(toy: Toy) -> Toy:
    from dataclasses import replace

    tracks = [
        replace(TRACKS[0], name=f"sized/{dataset}-{source}/2w1s", dataset=dataset, sources=(source,))
        for dataset in ("toy-waves", "my-folder", "resized", "broken")
        for source in ("toy-waves", "my-folder")
    ]
    toy.offer(methods=[Eager, Based], datasets=[Folder, Resized, Broken], tracks=tracks)
    PREPARED.clear()
    Small.read_so_far.clear()
    return toy


WRONG_SIZE = (
    "'my-folder' gives images of 12 px, but the backbone 'toy-vit' takes 16 px. "
    "Return 16 px, offer at(side), or choose another backbone."
)


def test_images_of_another_size_than_the_backbones_stop_a_run_before_it_begins(sized: Toy) -> None:
    with pytest.raises(DataError) as caught:
        sized.launch("eager", suite=None, tracks=("sized/my-folder-toy-waves/2w1s",))
    assert str(caught.value) == WRONG_SIZE
    assert Small.read_so_far == [0]
    assert not PREPARED


def test_base_images_are_measured_where_a_method_needs_them(sized: Toy) -> None:
    track = ("sized/toy-waves-my-folder/2w1s",)
    assert sized.launch("eager", suite=None, tracks=track).finished == 1
    with pytest.raises(DataError) as caught:
        sized.launch("based", suite=None, tracks=track)
    assert str(caught.value) == WRONG_SIZE


def test_images_that_can_be_shown_at_any_size_are_shown_at_the_backbones(sized: Toy) -> None:
    assert sized.launch("eager", suite=None, tracks=("sized/resized-toy-waves/2w1s",)).finished == 1


def test_images_that_cannot_be_read_fail_their_own_cell_only(sized: Toy) -> None:
    tracks = ("sized/broken-toy-waves/2w1s", "sized/toy-waves-toy-waves/2w1s")
    outcome = sized.launch("eager", suite=None, tracks=tracks)
    assert (outcome.finished, outcome.failed) == (1, 1)


def test_what_is_done_needs_nothing_any_more(stocked: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    stocked.launch("eager")
    monkeypatch.setattr(Eager, "require_ready", Extra.require_ready)
    assert stocked.launch("eager").skipped > 0


def test_results_that_cannot_lie_anywhere_are_told_before_the_work(stocked: Toy) -> None:
    stocked.results.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot be written \(File exists\)\. Choose another --results\."):
        stocked.launch("eager")
    assert not PREPARED


@pytest.mark.parametrize(("name", "options"), [("nobody", ()), ("local", ("workers=0",)), ("local", ("worker=2",))])
def test_a_launcher_is_known_when_a_run_is_planned(stocked: Toy, name: str, options: tuple[str, ...]) -> None:
    with pytest.raises((OptionError, Exception), match=r"nobody|workers=0|worker"):
        stocked.plan("eager", launcher=name, launcher_options=options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_who_only_hands_cells_on_needs_no_card(stocked: Toy) -> None:
    stocked.launch("eager", launcher="far", device="cuda")
    assert PREPARED == ["cpu"]
    with pytest.raises(OptionError, match="No CUDA device is available"):
        RunContext.of(stocked.request("eager", device="cuda"), stocked.catalogue)


@pytest.mark.parametrize("option", ["cells_per_job", "parallel", "minutes", "cpus", "memory"])
def test_jobs_of_nothing_are_refused(option: str) -> None:
    with pytest.raises(OptionError, match=f"Option '{option}' of 'submitit' must be above 0, but is 0"):
        SubmititLauncher(**{option: 0})  # type: ignore[arg-type]


def test_slurm_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    with pytest.raises(OptionError, match=r"^SLURM cannot be used here \(.*\)\. Run this where sbatch"):
        SubmititLauncher(folder=str(tmp_path)).require_ready()
    SubmititLauncher(folder=str(tmp_path), cluster="local").require_ready()
