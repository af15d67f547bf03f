"""TEAPOT: interpolated tasks, a policy trained by REINFORCE, rewards from recovered classes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.given import Given
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from freeshot.basics.errors import DivergedError, OptionError
from freeshot.contracts.tensors import Adapter, Shots, Task
from freeshot.ops.prototypes import prototype_logits
from freeshot.records.models import RunRecord
from freeshot.testing import check
from freeshot_baselines.teapot.method import TaskMemory, beta, blended_loss
from freeshot_baselines.teapot.policy import Policy

if TYPE_CHECKING:
    from tests.conftest import Toy

UNIFORM = TaskMemory(iterations=6, lr=1e-2, cycle=0, warmup=0, selection="uniform")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LinearModel:
    """A model whose features are pixels seen through one trainable matrix."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.randn(6, 4, generator=rng(9), dtype=torch.float64))

    def embed(self, images: Tensor, kept: Tensor | None = None) -> Tensor:
        return images.flatten(1)[:, :6] @ self.weight

    def lora(self) -> Sequence[nn.Parameter]:
        return (self.weight,)

    def snapshot(self) -> Adapter:
        return Adapter({"weight": self.weight.detach().clone()})


def make_task(seed: int, *, of_lora: bool = False, sources: Sequence[str] = ("a", "b", "c")) -> Task:
    draws = rng(seed)

    def shots(count: int) -> Shots:
        images = torch.rand(3 * count, 3, 2, 2, generator=draws, dtype=torch.float64)
        return Shots(images, torch.arange(3).repeat_interleave(count))

    teacher = torch.randn(9, 3, generator=draws, dtype=torch.float64)
    return Task(shots(1), shots(3), 3, teacher if of_lora else None, tuple(sources))


MIXED = [make_task(seed) for seed in range(6)]


def test_a_blended_task_has_interpolated_features() -> None:
    model: Any = LinearModel()
    first, second = MIXED[:2]
    support, query = (
        0.3 * model.embed(getattr(first, part).images) + 0.7 * model.embed(getattr(second, part).images)
        for part in ("support", "query")
    )
    means = torch.stack([support[first.support.labels == label].mean(0) for label in range(3)])
    logits = -torch.stack([(q - means).norm(dim=1) for q in query])
    slow = cross_entropy(logits, first.query.labels)
    assert torch.allclose(blended_loss(model, first, second, 0.3), slow, rtol=0, atol=1e-6)


def test_a_blend_of_share_one_is_the_first_task() -> None:
    model: Any = LinearModel()
    assert torch.allclose(blended_loss(model, MIXED[0], MIXED[1], 1.0), UNIFORM.loss(model, MIXED[0]))


def test_an_agreeing_lora_is_distilled_without_loss() -> None:
    model: Any = LinearModel()
    task = make_task(3, of_lora=True)
    support, query = model.embed(task.support.images), model.embed(task.query.images)
    agreed = replace(
        task, teacher_logits=prototype_logits(query, support, task.support.labels, 3, "euclidean").detach()
    )
    assert abs(UNIFORM.loss(model, agreed)) < 1e-12
    assert UNIFORM.loss(model, task) > 0


def test_distillation_weighs_each_class_by_the_loras_probability() -> None:
    """KL(LoRA ‖ student) = Σ p log(p / p'), averaged over the queries: not its reverse."""
    model: Any = LinearModel()
    task = make_task(3, of_lora=True)
    assert task.teacher_logits is not None
    support, query = model.embed(task.support.images), model.embed(task.query.images)
    means = [support[task.support.labels == label].mean(0) for label in range(3)]
    slow = 0.0
    for index in range(9):
        ours = torch.stack([-(query[index] - mean).norm() for mean in means]).softmax(0).tolist()
        theirs = task.teacher_logits[index].softmax(0).tolist()
        slow += sum(p * math.log(p / q) for p, q in zip(theirs, ours, strict=True)) / 9
    assert float(UNIFORM.loss(model, task).detach()) == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_shares_are_drawn_from_beta(alpha: float) -> None:
    """Beta(α, α) has mean ½ and variance 1 / (8α + 4)."""
    draws = rng()
    drawn = torch.tensor([beta(alpha, draws) for _ in range(4000)])
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(drawn.var()) == pytest.approx(1 / (8 * alpha + 4), rel=0.06)


@pytest.mark.parametrize("blended", [0.0, 1.0])
def test_mixed_tasks_are_blended_with_the_one_before(blended: float) -> None:
    model: Any = LinearModel()
    method = replace(UNIFORM, iterations=3, blended=blended)
    actual = method.fit(model, Given(MIXED), rng(4)).tensors["weight"]
    slow: Any = LinearModel()
    draws, before = rng(4), None
    optimizer = torch.optim.Adam(slow.lora())
    for step, task in enumerate(MIXED[:3]):
        torch.rand((), generator=draws)
        share = beta(0.5, draws) if blended and before is not None else 1.0
        optimizer.param_groups[0]["lr"] = method.rate(step)
        loss = method.loss(slow, task) if share == 1 or before is None else blended_loss(slow, task, before, share)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        before = task
    assert torch.equal(actual, slow.weight)


# --- the policy ---------------------------------------------------------------------------------


def test_the_score_is_the_gradient_of_the_log_probabilities() -> None:
    policy = Policy(lr=0.1)
    policy._indices_of(["a", "b", "c", "d"])
    policy.preferences = torch.randn(4, generator=rng(), dtype=torch.float64)
    free = policy.preferences.clone().requires_grad_()
    shares = free.log_softmax(0)
    (shares[0] + shares[2] + (shares[0] + shares[1]) / 2).backward()  # type: ignore[no-untyped-call]
    assert free.grad is not None
    assert torch.allclose(policy.score([("a", "a"), ("c",), ("a", "b")]), free.grad)


def test_tasks_are_accepted_at_the_rate_of_the_policy() -> None:
    policy = Policy(lr=0.1)
    policy._indices_of(["a", "b"])
    policy.preferences = torch.tensor([0.0, -1.0], dtype=torch.float64)
    draws = rng()
    taken = [sum(policy.accepts((name,), draws) for _ in range(2000)) / 2000 for name in "ab"]
    assert taken[0] == 1
    assert taken[1] == pytest.approx(float(torch.tensor(-1.0).exp()), abs=0.03)
    mixed = sum(policy.accepts(("a", "b"), draws) for _ in range(2000)) / 2000
    assert mixed == pytest.approx((1 + float(torch.tensor(-1.0).exp())) / 2, abs=0.03)


def test_steps_are_those_of_adam() -> None:
    policy = Policy(lr=0.1)
    policy._indices_of(["a", "b", "c"])
    free = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([free], lr=0.1)
    for slope in torch.randn(5, 3, generator=rng(), dtype=torch.float64):
        policy._ascend(slope)
        free.grad = -slope
        optimizer.step()
    assert torch.allclose(policy.preferences, free.detach(), rtol=0, atol=1e-12)


def test_loras_that_lead_to_better_rewards_are_trusted_more() -> None:
    policy, draws = Policy(lr=0.1), rng()
    for _ in range(300):
        name = "good" if float(torch.rand((), generator=draws)) < 0.5 else "bad"
        if policy.accepts((name,), draws):
            policy.reward([(name,)], (0.8 if name == "good" else 0.2) + 0.1 * float(torch.randn((), generator=draws)))
    trust = policy.trust()
    assert trust["good"] > 1.5
    assert trust["bad"] < 0.5
    assert sum(trust.values()) == pytest.approx(2, abs=0.01)


def test_an_expected_reward_changes_no_preference() -> None:
    policy = Policy(lr=0.1)
    for _ in range(3):
        policy.reward([("a",), ("b",)], 0.5)
    assert not policy.preferences.any()


def test_a_reward_is_compared_with_the_running_mean_of_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of each reward enters the mean, nine tenths of it stay."""
    slopes: list[float] = []
    monkeypatch.setattr(Policy, "_ascend", lambda self, slope: slopes.append(float(slope[0])))
    policy = Policy(lr=0.1)
    policy._indices_of(["a", "b"])
    means = []
    for reward in (0.5, 1.0, 0.0, 0.8):
        policy.reward([("a",)], reward)
        means.append(policy.expected)
    assert means == pytest.approx([0.5, 0.55, 0.495, 0.5255])  # 0.9 · 0.5 + 0.1 · 1.0 = 0.55, and so on
    half = 1 - 0.5  # the slope of log p of 'a' while both have one half
    assert slopes == pytest.approx([(1.0 - 0.5) * half, (0.0 - 0.55) * half, (0.8 - 0.495) * half])


def test_each_group_of_tasks_is_rewarded_with_the_accuracy_it_led_to(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = LinearModel()
    held_out = [make_task(seed) for seed in range(20, 23)]
    pairs = iter([(0, 1), (2, 0), (1, 2)])  # two held-out tasks per reward, in turn
    given: list[tuple[Any, float]] = []
    slow: list[float] = []

    def watched(self: Policy, taken: Sequence[Sequence[str]], reward: float) -> None:
        given.append(([*taken], reward))
        slow.append(sum(accuracy_by_loop(model, held_out[index]) for index in next(pairs)) / 2)

    monkeypatch.setattr(Policy, "reward", watched)
    tasks = [make_task(seed, of_lora=True, sources=(name,) * 3) for seed, name in enumerate("abcaba")]
    learned = replace(UNIFORM, selection="learned", group=2, judged_on=2, lr=0.3)
    learned.fit(model, Given(tasks, held_out=held_out), rng())
    assert [[sources[0] for sources in taken] for taken, _ in given] == [["a", "b"], ["c", "a"], ["b", "a"]]
    assert [reward for _, reward in given] == pytest.approx(slow)
    assert len({*slow}) > 1  # otherwise it would not matter on which tasks


def accuracy_by_loop(model: Any, task: Task) -> float:
    """Return the share of queries that lie nearest to the mean of their own class."""
    support, query = model.embed(task.support.images).detach(), model.embed(task.query.images).detach()
    right = 0
    for features, label in zip(query, task.query.labels.tolist(), strict=True):
        away = [float((features - support[task.support.labels == k].mean(0)).norm()) for k in range(3)]
        right += away.index(min(away)) == label
    return right / len(query)


def test_rewards_are_accuracies_on_held_out_tasks() -> None:
    model: Any = LinearModel()
    held_out = MIXED[3:]
    means = [UNIFORM._accuracy(model, held_out, 0)]
    slow = []
    for index in (0, 1, 2, 0):
        task = held_out[index]
        logits = prototype_logits(
            model.embed(task.query.images), model.embed(task.support.images), task.support.labels, 3
        )
        slow.append(float((logits.argmax(1) == task.query.labels).double().mean()))
    assert means == pytest.approx([sum(slow) / 4])


def test_the_adapter_records_the_trust_in_each_lora() -> None:
    model: Any = LinearModel()
    adapter = replace(UNIFORM, selection="learned", group=2).fit(model, Given(MIXED, held_out=MIXED[:2]), rng())
    assert set(adapter.facts["trust"]) == {"a", "b", "c"}


def test_a_rejected_task_costs_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_a(self: Policy, sources: Sequence[str], rng: torch.Generator) -> bool:
        return sources[0] == "a"

    monkeypatch.setattr(Policy, "accepts", only_a)
    tasks = [make_task(seed, of_lora=True, sources=("ab"[seed % 2],) * 3) for seed in range(12)]
    learned = replace(UNIFORM, selection="learned", iterations=5, group=99)
    actual, slow = LinearModel(), LinearModel()
    learned.fit(actual, Given(tasks, held_out=MIXED), rng())  # type: ignore[arg-type]
    replace(UNIFORM, iterations=5).fit(slow, Given(tasks[::2]), rng())  # type: ignore[arg-type]
    assert torch.equal(actual.weight, slow.weight)


@pytest.mark.parametrize(("option", "value"), [("group", 0), ("judged_on", 0), ("alpha", 0.0), ("alpha", 1.5)])
def test_invalid_options_are_refused(option: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"Option '{option}' of 'task-memory' must"):
        TaskMemory(**{option: value})  # type: ignore[arg-type]


def test_missing_held_out_classes_and_a_diverging_loss_are_errors() -> None:
    model: Any = LinearModel()
    with pytest.raises(OptionError, match=r"-o held_out=0\.1, or set selection=uniform"):
        replace(UNIFORM, selection="learned").fit(model, Given(MIXED), rng())
    bad = replace(MIXED[0], teacher_logits=torch.full((9, 3), torch.nan, dtype=torch.float64))
    with pytest.raises(DivergedError, match=r"The loss of meta-learner 'task-memory' is nan at step 0\."):
        UNIFORM.fit(model, Given([bad]), rng())


def test_a_task_memory_passes_the_contract_kit() -> None:
    check(TaskMemory, selection="uniform")


def test_random_rewards_make_shares_as_unequal_as_those_on_record() -> None:
    """Shares on a sound pool do not rank its LoRAs: forty LoRAs, a hundred rewards of four tasks."""
    equal_over_largest = []
    for seed in range(5):
        policy, draws = Policy(lr=0.1), rng(seed)
        policy._indices_of([f"lora-{number}" for number in range(40)])
        for _ in range(100):
            taken: list[tuple[str, ...]] = []
            while len(taken) < 4:
                sources = (f"lora-{int(torch.randint(40, (), generator=draws))}",)
                if policy.accepts(sources, draws):
                    taken.append(sources)
            policy.reward(taken, 0.5 + 0.05 * float(torch.randn((), generator=draws)))
        shares = policy.shares()
        equal_over_largest.append(float(shares.mean() / shares.max()))
    recorded = on_record()
    assert len(recorded) == 12
    assert sum(equal_over_largest) / 5 < min(recorded)


def on_record() -> list[float]:
    """Return an equal share over the largest, of each committed record."""
    actual = []
    for path in sorted((Path(__file__).parents[2] / "results" / "pocket").rglob("teapot-*.json")):
        facts = [stage.facts for stage in RunRecord.read(path).stages if "trust" in stage.facts]
        actual += [1 / max(fact["trust"].values()) for fact in facts]
    return actual


# --- in the toy world ---------------------------------------------------------------------------

SMALL = ("per_class=5", "inversion.iterations=3", "inversion.rounds=1", "learner.iterations=6", "learner.warmup=1")


@pytest.mark.parametrize("track", ["toy/in-domain/2w1s", "poisoned/toy/2w1s"])
@pytest.mark.parametrize("selection", ["learned", "uniform"])
def test_teapot_learns_from_sound_and_poisoned_pools(toy: Toy, track: str, selection: str) -> None:
    options = (*SMALL, f"learner.selection={selection}", "held_out=0.2", "learner.group=2")
    record = toy.record("teapot", suite=None, track=track, options=options)
    assert (record.status, record.tags.data_free, record.tags.tuning_free) == ("ok", "strict", True), record.reason
    facts = next(stage.facts for stage in record.stages if stage.stage == "meta-learning")
    assert ("trust" in facts) == (selection == "learned")
