"""Each outcome of a cell becomes a record with its status, and finished cells stay finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest
import torch
from filelock import FileLock

from freeshot.basics.errors import DivergedError, StoreError
from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.events import CellFailed, CellFinished, CellSkipped, Event
from freeshot.contracts.method import Learner, Method, Needs
from freeshot.evaluation.scoring import score_tuning
from freeshot.launch.plan import plan_run
from freeshot.launch.runner import execute_plan
from freeshot.launch.worker import lock_name
from freeshot.pipeline import evaluate as module
from freeshot.pipeline.audit import CellAudit
from freeshot.plugin import hookimpl
from freeshot.records.models import AuditRecord, RunRecord

if TYPE_CHECKING:
    from collections.abc import Generator as Wrapping
    from pathlib import Path

    from tests.conftest import Toy
    from torch import Generator, Tensor

    from freeshot.contracts.method import Predictor, Workbench
    from freeshot.contracts.tensors import Shots
    from freeshot.contracts.tracks import Track


@dataclass(frozen=True)
class Stub(Method):
    """Base of the methods below."""

    name = "stub"

    def prepare(self, bench: Workbench) -> Learner:
        """Take the backbone as it is."""
        return bench.frozen()


@dataclass(frozen=True)
class Greedy(Stub):
    """Request the pool without declaring it."""

    name = "greedy"

    def prepare(self, bench: Workbench) -> Learner:
        """Request it."""
        bench.pool()
        return bench.frozen()


@dataclass(frozen=True)
class Vandal(Stub):
    """Change the frozen backbone."""

    name = "vandal"
    then_raise: bool = False
    """Whether to crash as well."""

    def prepare(self, bench: Workbench) -> Learner:
        """Change the weights of the bench's learner."""
        next(bench.frozen().network.parameters()).data.add_(1)  # type: ignore[attr-defined]
        if self.then_raise:
            raise ZeroDivisionError
        return bench.frozen()


@dataclass(frozen=True)
class Clumsy(Stub):
    """Raise an error of Python."""

    name = "clumsy"

    def prepare(self, bench: Workbench) -> Learner:
        """Divide by zero."""
        raise ZeroDivisionError("one over nothing")


@dataclass(frozen=True)
class Diverging(Stub):
    """Raise a FreeShot error."""

    name = "diverging"

    def prepare(self, bench: Workbench) -> Learner:
        """Raise that a loss is not finite."""
        raise DivergedError("The loss is nan at step 3. Lower its lr.")


@dataclass(frozen=True)
class Empty(Stub):
    """Prepare no learner."""

    name = "empty"

    def prepare(self, bench: Workbench) -> Learner:
        """Return something else."""
        return None  # type: ignore[return-value]


@dataclass(frozen=True)
class Choosy(Stub):
    """Refuse every track."""

    name = "choosy"

    def skip(self, track: Track) -> str | None:
        """Return the reason."""
        return f"It does not fit {track.way} ways."


@dataclass(frozen=True)
class Guessing(Stub):
    """Guess with the given generator, without tuning."""

    name = "guessing"
    adapted: ClassVar[list[int]] = []
    stop_at: ClassVar[int] = 0
    break_at: ClassVar[int] = 0

    def prepare(self, bench: Workbench) -> Learner:
        """Return the guesser."""
        return Guesser()


class Guesser(Learner):
    """Guess by a random linear classifier, without the support images."""

    def adapt(self, support: Shots, way: int, rng: Generator) -> Predictor:
        Guessing.adapted.append(len(Guessing.adapted))
        if len(Guessing.adapted) == Guessing.stop_at:
            raise KeyboardInterrupt
        if len(Guessing.adapted) == Guessing.break_at:
            raise ZeroDivisionError
        weights = torch.randn(support.images[0].numel(), way, generator=rng)
        return lambda images: images.flatten(1) @ weights


def _fresh_counts() -> None:
    Guessing.adapted.clear()
    Guessing.stop_at = Guessing.break_at = 0


@pytest.fixture(autouse=True)
def _fresh() -> None:
    _fresh_counts()


@pytest.fixture
def unaudited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the audit, so that each episode is tuned once."""
    nothing = CellAudit(AuditRecord(episodes=0, changed={}, seconds=0), ())
    monkeypatch.setattr("freeshot.pipeline.cell.audited", lambda *_: nothing)


class EventRecorder:
    """A plugin that records every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    def freeshot_event(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def stubs(toy: Toy) -> Toy:
    toy.offer(methods=[Stub, Greedy, Vandal, Clumsy, Diverging, Empty, Choosy, Guessing])
    return toy


@pytest.fixture
def recorder(stubs: Toy) -> EventRecorder:
    recorder = EventRecorder()
    stubs.catalogue.host.manager.register(recorder)
    return recorder


def test_a_finished_cell_has_an_accuracy_per_episode_and_its_interval(stubs: Toy) -> None:
    record = stubs.record("stub")
    assert (record.status, len(record.accuracies), record.test_evaluations, record.comparable) == ("ok", 20, 1, True)
    assert record.interval is not None
    assert record.interval.mean == pytest.approx(sum(record.accuracies) / 20)


def test_a_record_has_the_hash_of_its_backbone(stubs: Toy) -> None:
    assert len(stubs.record("stub").hashes["backbone"]) == 64


def test_a_limited_record_is_not_comparable(stubs: Toy) -> None:
    record = stubs.record("stub", limit=3)
    assert (len(record.accuracies), record.comparable) == (3, False)


def test_a_limited_cell_scores_the_first_episodes(stubs: Toy) -> None:
    assert stubs.record("stub", limit=3).accuracies == stubs.record("stub").accuracies[:3]


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("greedy", "violated", "Method 'greedy' requested the pool, which it did not declare."),
        ("vandal", "violated", "Method 'vandal' changed the frozen backbone."),
        ("empty", "violated", "Method 'empty' must prepare a Learner, but returned NoneType."),
        ("clumsy", "failed", "ZeroDivisionError: one over nothing"),
        ("diverging", "failed", "The loss is nan at step 3. Lower its lr."),
        ("choosy", "skipped", "It does not fit 2 ways."),
    ],
)
def test_an_error_of_a_method_is_on_record(stubs: Toy, method: str, status: str, reason: str) -> None:
    record = stubs.record(method)
    assert (record.status, record.accuracies, record.test_evaluations) == (status, [], 0)
    assert record.reason.startswith(reason)


def test_the_traceback_of_a_crash_is_kept(stubs: Toy) -> None:
    record = stubs.record("clumsy")
    assert "one over nothing" in (stubs.cache / "failures" / f"{record.cell}.txt").read_text()


def test_a_failing_method_does_not_stop_the_others(stubs: Toy) -> None:
    outcome = stubs.launch("clumsy", "greedy", "choosy", "stub")
    assert (outcome.finished, outcome.failed, outcome.skipped) == (1, 2, 1)


@dataclass(frozen=True)
class NoFeatures(BackboneProvider):
    """Map images to images."""

    name = "no-features"

    def build(self) -> torch.nn.Module:
        """Return a convolution."""
        return torch.nn.Conv2d(3, 3, 1)

    def image_size(self) -> int:
        """Return 16."""
        return 16


def test_a_backbone_that_cannot_be_opened_is_on_record(stubs: Toy) -> None:
    stubs.offer(backbones=[NoFeatures])
    record = stubs.record("stub", backbone="no-features")
    assert record.status == "violated"
    assert record.reason.startswith("Backbone 'no-features' must map images to features [b, d]")


@pytest.mark.parametrize("crash", ["no", "yes"])
def test_a_changed_backbone_does_not_affect_the_cells_after_it(stubs: Toy, crash: str) -> None:
    before = stubs.record("stub").accuracies
    outcome = stubs.launch("vandal", "stub", options=(f"then_raise={crash}",), rerun=True)
    assert (outcome.finished, outcome.failed) == (1, 1)
    assert stubs.record("stub").accuracies == before


def test_a_finished_cell_is_announced(stubs: Toy, recorder: EventRecorder) -> None:
    record = stubs.record("stub")
    (event,) = [event for event in recorder.events if isinstance(event, CellFinished)]
    assert record.interval is not None
    assert (event.cell, event.mean) == (record.spec.title, record.interval.mean)


@pytest.mark.parametrize("method", ["stub", "diverging"])
def test_the_record_exists_when_the_end_of_a_cell_is_announced(stubs: Toy, method: str) -> None:
    class Reader:
        @hookimpl
        def freeshot_event(self, event: Event) -> None:
            if isinstance(event, CellFinished | CellFailed):
                records.extend(stubs.results.rglob(f"{method}-*.json"))

    records: list[Path] = []
    stubs.catalogue.host.manager.register(Reader())
    stubs.launch(method)
    assert len(records) == 1


def test_a_failed_cell_is_announced_with_its_reason(stubs: Toy, recorder: EventRecorder) -> None:
    stubs.launch("diverging")
    assert [e.reason for e in recorder.events if isinstance(e, CellFailed)] == [
        "The loss is nan at step 3. Lower its lr."
    ]


def test_a_second_run_skips_finished_cells(stubs: Toy, unaudited: None) -> None:
    stubs.launch("guessing")
    outcome = stubs.launch("guessing")
    assert (outcome.finished, outcome.skipped, len(Guessing.adapted)) == (0, 1, 20)


def test_a_second_run_repeats_failed_cells(stubs: Toy) -> None:
    stubs.launch("clumsy")
    assert stubs.launch("clumsy").failed == 1


def test_rerun_repeats_finished_cells(stubs: Toy, unaudited: None) -> None:
    stubs.launch("guessing")
    assert stubs.launch("guessing", rerun=True).finished == 1
    assert len(Guessing.adapted) == 40


def test_a_damaged_record_is_written_again(stubs: Toy) -> None:
    stubs.launch("stub")
    (path,) = stubs.results.rglob("stub-*.json")
    path.write_text('{"schema_version": 1')
    assert stubs.record("stub").status == "ok"


@pytest.mark.parametrize("method", ["guessing", "lora-recycle", "real-data"])
def test_the_same_seed_gives_the_same_accuracies_in_a_fresh_cache(stubs: Toy, method: str) -> None:
    first = stubs.record(method, cache=stubs.folder / "one").accuracies
    assert stubs.record(method, cache=stubs.folder / "two", rerun=True).accuracies == first


def test_another_seed_changes_the_accuracies(stubs: Toy) -> None:
    assert stubs.record("guessing", seeds=(1,)).accuracies != stubs.record("guessing").accuracies


def test_an_interrupted_tuned_cell_leaves_no_record(stubs: Toy) -> None:
    Guessing.stop_at = 8
    with pytest.raises(KeyboardInterrupt):
        stubs.launch("guessing")
    assert not list(stubs.results.rglob("*.json"))


def test_an_interrupted_tuned_cell_continues_where_it_stopped(stubs: Toy, unaudited: None) -> None:
    whole = stubs.record("guessing", cache=stubs.folder / "other").accuracies
    Guessing.adapted.clear()
    Guessing.stop_at = 8
    with pytest.raises(KeyboardInterrupt):
        stubs.launch("guessing", rerun=True)
    _fresh_counts()
    assert stubs.record("guessing", rerun=True).accuracies == whole
    assert len(Guessing.adapted) == 20 - 7


def test_a_killed_tuned_cell_continues_from_its_last_checkpoint(
    stubs: Toy, monkeypatch: pytest.MonkeyPatch, unaudited: None
) -> None:
    monkeypatch.setattr(module, "SAVE_EVERY", 3)
    scored = score_tuning

    def killed(*arguments: object) -> object:
        if len(Guessing.adapted) == 8:
            raise SystemExit(9)
        return scored(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "score_tuning", killed)
    with pytest.raises(SystemExit):
        stubs.launch("guessing")
    Guessing.adapted.clear()
    monkeypatch.setattr(module, "score_tuning", scored)
    stubs.launch("guessing")
    assert len(Guessing.adapted) == 20 - 6


def test_a_tuned_cell_that_is_interrupted_in_its_audit_tunes_no_episode_again(stubs: Toy) -> None:
    whole = stubs.record("guessing", cache=stubs.folder / "other").accuracies
    Guessing.adapted.clear()
    Guessing.stop_at = 25
    with pytest.raises(KeyboardInterrupt):
        stubs.launch("guessing", rerun=True)
    _fresh_counts()
    assert stubs.record("guessing", rerun=True).accuracies == whole
    assert len(Guessing.adapted) <= 1 + 20 + 6  # the audit's episodes alone


def test_a_tuned_cell_continues_at_the_boundary_of_a_group(
    stubs: Toy, monkeypatch: pytest.MonkeyPatch, unaudited: None
) -> None:
    whole = stubs.record("guessing", cache=stubs.folder / "other").accuracies
    monkeypatch.setattr(Guesser, "episodes_per_batch", 4)
    Guessing.adapted.clear()
    Guessing.stop_at = 11
    with pytest.raises(KeyboardInterrupt):
        stubs.launch("guessing", rerun=True)
    _fresh_counts()
    assert stubs.record("guessing", rerun=True).accuracies == whole
    assert len(Guessing.adapted) == 20 - 8


def test_a_group_of_no_episodes_is_refused(stubs: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guesser, "episodes_per_batch", 0)
    record = stubs.record("guessing")
    assert (record.status, record.reason) == ("violated", "Guesser tunes 0 episodes together; at least 1 is needed.")


def test_a_finished_tuned_cell_leaves_no_checkpoint(stubs: Toy) -> None:
    stubs.launch("guessing")
    assert not list((stubs.cache / "cells").glob("*"))


def test_a_cell_that_another_process_runs_is_skipped(stubs: Toy, recorder: EventRecorder) -> None:
    (planned,) = stubs.plan("stub").cells
    locks = stubs.cache / "locks"
    locks.mkdir(parents=True)
    with FileLock(locks / lock_name(planned.spec, stubs.results)):
        outcome = stubs.launch("stub")
    assert (outcome.finished, outcome.skipped) == (0, 1)
    assert [e.reason for e in recorder.events if isinstance(e, CellSkipped)] == ["another process is running it"]


def test_a_cell_that_runs_for_another_results_folder_is_not_skipped(stubs: Toy, tmp_path: Path) -> None:
    (planned,) = stubs.plan("stub").cells
    locks = stubs.cache / "locks"
    locks.mkdir(parents=True)
    with FileLock(locks / lock_name(planned.spec, tmp_path / "elsewhere")):
        assert stubs.launch("stub").finished == 1


def test_results_that_cannot_be_written_end_the_run(stubs: Toy) -> None:
    stubs.results.write_text("a file where the folder should be")
    with pytest.raises(StoreError):
        stubs.launch("stub")


@pytest.mark.parametrize(
    ("method", "data_free", "tuning_free", "role"),
    [
        ("stub", "strict", True, "method"),
        ("guessing", "strict", False, "method"),
        ("noise", "strict", True, "floor"),
        ("real-data", "real data", True, "ceiling"),
        ("lora-recycle", "strict", True, "method"),
    ],
)
def test_the_tags_of_a_row_follow_from_its_method(
    stubs: Toy, method: str, data_free: str, tuning_free: bool, role: str
) -> None:
    tags = stubs.record(method).tags
    assert (tags.data_free, tags.tuning_free, tags.role) == (data_free, tuning_free, role)


def test_a_public_prior_is_tagged_even_where_it_fails(stubs: Toy, tmp_path: Path) -> None:
    (tmp_path / "spoilt.pth").write_bytes(b"no weights")
    options = ("inversion.prior=resnet50", f"inversion.prior_weights={tmp_path / 'spoilt.pth'}")
    record = stubs.record("lora-recycle", options=options)
    assert (record.status, record.tags.data_free) == ("failed", "public prior")


class Wrapper:
    """A plugin that wraps cells."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl(wrapper=True)
    def freeshot_cell(self, spec: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
        self.seen.append("before")
        result = yield
        self.seen.append("after")
        return result


def test_a_plugin_may_wrap_a_cell(stubs: Toy) -> None:
    wrapper = Wrapper()
    stubs.catalogue.host.manager.register(wrapper)
    assert stubs.launch("stub").finished == 1
    assert wrapper.seen == ["before", "after"]


def test_every_need_has_a_method_that_must_declare_it() -> None:
    assert {need.name for need in Needs} == {"POOL", "QUERIES", "BASE_IMAGES", "VALIDATION"}


def test_a_repeated_test_evaluation_is_counted(toy: Toy) -> None:
    first = toy.record("frozen-prototype")
    again = toy.record("frozen-prototype", rerun=True)
    assert (first.test_evaluations, again.test_evaluations) == (1, 2)


def test_a_finished_cell_is_not_evaluated_again(toy: Toy) -> None:
    toy.record("frozen-prototype")
    assert toy.record("frozen-prototype").test_evaluations == 1


def test_an_evaluation_counts_once_scoring_begins_even_if_it_fails(stubs: Toy) -> None:
    Guessing.break_at = 8
    broken = stubs.record("guessing")
    assert (broken.status, broken.accuracies, broken.test_evaluations) == ("failed", [], 1)
    _fresh_counts()
    assert stubs.record("guessing").test_evaluations == 2


def test_a_failure_keeps_the_count_of_evaluations(stubs: Toy, unaudited: None) -> None:
    stubs.record("guessing")
    Guessing.break_at = 21
    assert stubs.record("guessing", rerun=True).test_evaluations == 2
    _fresh_counts()
    assert stubs.record("guessing").test_evaluations == 3


def test_an_interrupted_and_continued_evaluation_counts_once(stubs: Toy) -> None:
    Guessing.stop_at = 8
    with pytest.raises(KeyboardInterrupt):
        stubs.launch("guessing")
    _fresh_counts()
    assert stubs.record("guessing").test_evaluations == 1


def test_a_cell_that_fails_before_scoring_counts_no_evaluation(stubs: Toy) -> None:
    assert stubs.record("clumsy").test_evaluations == 0


def test_every_results_folder_counts_its_own_evaluations(toy: Toy) -> None:
    """A record counts those of its folder alone; `results check` adds up several folders."""
    toy.record("frozen-prototype")
    request = toy.request("frozen-prototype", results=toy.folder / "elsewhere")
    execute_plan(plan_run(request, toy.catalogue), request, toy.catalogue)
    (file,) = (toy.folder / "elsewhere").rglob("*.json")
    assert RunRecord.read(file).test_evaluations == 1


def test_other_settings_are_another_cell_with_its_own_count(stubs: Toy) -> None:
    stubs.record("lora-recycle")
    assert stubs.record("lora-recycle", options=("per_class=4",)).test_evaluations == 1
    assert len(list(stubs.results.rglob("lora-recycle-*.json"))) == 2


def test_a_wrapper_that_raises_does_not_stop_the_other_cells(toy: Toy) -> None:
    class Broken:
        """Raise after the cell."""

        @hookimpl(wrapper=True)
        def freeshot_cell(self) -> Wrapping[None, object, object]:
            """Wrap badly."""
            yield
            raise RuntimeError("no disk for my profile")

    toy.catalogue.host.manager.register(Broken())
    outcome = toy.launch("frozen-prototype", "noise")
    assert outcome.failed == len(toy.plan("frozen-prototype", "noise").cells)


def test_a_record_has_the_cost_of_each_stage_and_of_a_task(toy: Toy) -> None:
    record = toy.record("lora-recycle")
    assert [stage.stage for stage in record.stages] == ["inversion", "meta-learning", "preparation", "evaluation"]
    inversion, learning, rest, evaluation = record.stages
    assert all(stage.flops for stage in (inversion, learning, evaluation))
    assert rest.flops  # masks, which are computed outside of stages
    assert (inversion.learned_weights, rest.learned_weights) == (None, None)
    assert learning.learned_weights
    assert record.task_cost is not None
    images = record.spec.track.way * (record.spec.track.shot + record.spec.track.query)
    assert evaluation.flops is not None
    assert record.task_cost.flops % images == 0  # each image is embedded once
    assert 0 < record.task_cost.flops < evaluation.flops
    assert record.task_cost.tuned_weights == 0


class Multiplying(Learner):
    """Features without a cost, and a head of a single product."""

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def classify(self, support: Tensor, query: Tensor, way: int) -> Tensor:
        torch.ones(64, 64) @ torch.ones(64, 64)
        return -(query.unsqueeze(2) - support.unsqueeze(1)).square().sum(-1)  # one image of each class


@dataclass(frozen=True)
class Headstrong(Method):
    """Let the head do the work."""

    name = "headstrong"

    def prepare(self, bench: Workbench) -> Learner:
        return Multiplying()


def test_the_cost_of_a_head_is_divided_among_the_tasks(toy: Toy) -> None:
    toy.offer(methods=[Headstrong])
    record = toy.record("headstrong")
    assert record.stages[-1].flops == 2 * 64**3
    assert record.task_cost is not None
    assert record.task_cost.flops == round(2 * 64**3 / len(record.accuracies))


def test_a_row_that_tunes_records_its_number_of_weights(toy: Toy) -> None:
    probe, whole = toy.record("linear-probe"), toy.record("full-finetuning")
    assert probe.task_cost is not None
    assert whole.task_cost is not None
    assert probe.task_cost.tuned_weights == 2 * (48 + 1)
    assert whole.task_cost.tuned_weights > 1000
    assert whole.stages[-1].flops == pytest.approx(whole.task_cost.flops * len(whole.accuracies), rel=1e-6)


def test_a_cached_stage_keeps_its_recorded_cost(toy: Toy) -> None:
    made, again = toy.record("lora-recycle"), toy.record("lora-recycle", rerun=True)
    assert [stage.cached for stage in again.stages] == [True, True, False, False]
    assert [stage.flops for stage in again.stages] == [stage.flops for stage in made.stages]
    assert again.task_cost == made.task_cost


def test_the_sampling_error_of_a_slow_head_is_not_measured(stubs: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[int] = []

    def counting(*features: object, head: object, keys: object) -> None:
        requested.append(1)

    monkeypatch.setattr("freeshot.pipeline.record.measure_sampling_error", counting)
    stubs.launch("knn")
    assert requested == [1]
    monkeypatch.setattr(Learner, "jackknife", False)
    stubs.launch("knn", rerun=True)
    assert requested == [1]
