"""The requirements of a run are checked before any computation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

from freeshot import FewShotDataset, InversionMethod, Learner, Method, Needs
from freeshot.basics.errors import DataError, OptionError, StoreError
from freeshot.contracts.launcher import Launcher
from freeshot.launch.launchers.submitit import SubmititLauncher
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
    """A data set without images."""

    name, domain, license = "gone", "none", "none"

    def load(self, split: str, root: Path) -> Images:
        """Raise the error of missing images."""
        raise DataError("No images of 'gone'. Put them there.")


@dataclass(frozen=True)
class Eager(Method):
    """Record that preparation started."""

    name = "eager"

    def prepare(self, bench: Workbench) -> Learner:
        """Record the start."""
        PREPARED.append(self.name)
        return bench.frozen()


@dataclass(frozen=True)
class Extra(Eager):
    """Need a missing package, and images of classes for validation."""

    name = "extra"
    needs = frozenset({Needs.VALIDATION})

    def require_ready(self) -> None:
        """Raise the error of the missing requirement."""
        raise OptionError("The package 'extra' is missing. Install it.")


@dataclass(frozen=True)
class Weighty(InversionMethod):
    """Need a missing file."""

    name = "weighty"

    def require_ready(self) -> None:
        """Raise the error of the missing requirement."""
        raise DataError("The file of weights is missing. Put it there.")

    def synthesize(self, teacher: Teacher, labels: Tensor, rng: Generator) -> Tensor:
        """Never called."""
        raise AssertionError


@dataclass(frozen=True)
class Far(Launcher):
    """Run cells on another device."""

    name = "far"
    remote = True

    def launch(self, cells: Sequence[RunSpec], run_cell: Callable[[RunSpec], None]) -> None:
        """Record the device of this process."""
        device: Any = run_cell._context.device  # type: ignore[attr-defined]
        PREPARED.append(str(device))


@pytest.fixture
def incomplete(toy: Toy) -> Toy:
    from dataclasses import replace

    track = replace(TRACKS[0], name="toy/gone/2w1s", dataset="gone", sources=("gone",))
    toy.offer(methods=[Eager, Extra], inversion_methods=[Weighty], datasets=[Gone], tracks=[track], launchers=[Far])
    PREPARED.clear()
    return toy


def test_missing_images_are_an_error_before_a_run_starts(incomplete: Toy) -> None:
    with pytest.raises(DataError, match=r"^No images of 'gone'\. Put them there\.$"):
        incomplete.launch("eager", suite=None, tracks=("toy/*/2w1s",))
    assert not PREPARED
    assert not list(incomplete.results.rglob("*.json"))


def test_all_missing_requirements_are_reported_at_once(incomplete: Toy) -> None:
    options = ("inversion=weighty",)
    with pytest.raises(DataError) as caught:
        incomplete.launch("eager", "extra", "lora-recycle", suite=None, tracks=("toy/gone/2w1s",), options=options)
    assert str(caught.value) == (
        "The package 'extra' is missing. Install it. The file of weights is missing. Put it there. "
        "No images of 'gone'. Put them there."
    )


@dataclass(frozen=True, eq=False)
class Small(ToyImages):
    """Images of 12 px that record which were read."""

    read_so_far: ClassVar[list[int]] = []

    def read(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 [b, 3, 12, 12]."""
        self.read_so_far.extend(indices)
        return super().read(indices)[:, :, :12, :12]


@dataclass(frozen=True, eq=False)
class AnySize(Small):
    """The same images, available at any size."""

    def at(self, side: int) -> ToyImages:
        """Return images of 16 px for any side."""
        return ToyImages(self.kinds)


@dataclass(frozen=True)
class Folder(ToyWaves):
    """A data set of one size."""

    name = "my-folder"
    images: ClassVar[type[ToyImages]] = Small

    def load(self, split: str, root: Path) -> ToyImages:
        """Return a split; that for validation has the backbone's size."""
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
        """Return objects that are not images."""
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


def test_images_of_another_size_than_the_backbones_are_an_error_before_a_run_starts(sized: Toy) -> None:
    with pytest.raises(DataError) as caught:
        sized.launch("eager", suite=None, tracks=("sized/my-folder-toy-waves/2w1s",))
    assert str(caught.value) == WRONG_SIZE
    assert Small.read_so_far == [0]
    assert not PREPARED


def test_the_size_of_base_images_is_checked_where_a_method_needs_them(sized: Toy) -> None:
    track = ("sized/toy-waves-my-folder/2w1s",)
    assert sized.launch("eager", suite=None, tracks=track).finished == 1
    with pytest.raises(DataError) as caught:
        sized.launch("based", suite=None, tracks=track)
    assert str(caught.value) == WRONG_SIZE


def test_images_available_at_any_size_are_read_at_the_backbones(sized: Toy) -> None:
    assert sized.launch("eager", suite=None, tracks=("sized/resized-toy-waves/2w1s",)).finished == 1


def test_unreadable_images_fail_their_own_cell_only(sized: Toy) -> None:
    tracks = ("sized/broken-toy-waves/2w1s", "sized/toy-waves-toy-waves/2w1s")
    outcome = sized.launch("eager", suite=None, tracks=tracks)
    assert (outcome.finished, outcome.failed) == (1, 1)


def test_finished_cells_have_no_requirements(incomplete: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    incomplete.launch("eager")
    monkeypatch.setattr(Eager, "require_ready", Extra.require_ready)
    assert incomplete.launch("eager").skipped > 0


def test_an_invalid_results_folder_is_an_error_before_a_run_starts(incomplete: Toy) -> None:
    incomplete.results.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot be written \(File exists\)\. Choose another --results\."):
        incomplete.launch("eager")
    assert not PREPARED


@pytest.mark.parametrize(("name", "options"), [("nobody", ()), ("local", ("workers=0",)), ("local", ("worker=2",))])
def test_an_invalid_launcher_is_an_error_when_a_run_is_planned(
    incomplete: Toy, name: str, options: tuple[str, ...]
) -> None:
    with pytest.raises((OptionError, Exception), match=r"nobody|workers=0|worker"):
        incomplete.plan("eager", launcher=name, launcher_options=options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_process_that_only_launches_cells_needs_no_gpu(incomplete: Toy) -> None:
    incomplete.launch("eager", launcher="far", device="cuda")
    assert PREPARED == ["cpu"]
    with pytest.raises(OptionError, match="No CUDA device is available"):
        incomplete.request("eager", device="cuda").context(incomplete.catalogue)


@pytest.mark.parametrize("option", ["cells_per_job", "parallel", "minutes", "cpus", "memory"])
def test_a_job_size_of_zero_is_an_error(option: str) -> None:
    with pytest.raises(OptionError, match=f"Option '{option}' of 'submitit' must be above 0, but is 0"):
        SubmititLauncher(**{option: 0})  # type: ignore[arg-type]


def test_missing_slurm_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    with pytest.raises(OptionError, match=r"^SLURM cannot be used here \(.*\)\. Run this where sbatch"):
        SubmititLauncher(folder=str(tmp_path)).require_ready()
    SubmititLauncher(folder=str(tmp_path), cluster="local").require_ready()
