"""Meta-training through a quarter of the patches, against all of them."""

from __future__ import annotations

import torch
from tests.performance.measure import Table, in_turn, kept_for_backward
from tests.performance.setting import Setting, pocket
from torch import Tensor

from freeshot.contracts.tensors import Shots, Task
from freeshot.engine import SharedLora
from freeshot_lora_recycle.prototype import Prototype

SHARES = (0.0, 0.25, 0.5, 0.75)


def bench(setting: Setting | None = None) -> Table:
    """Take one optimiser step's gradient at each sparsity."""
    setting = setting or pocket()
    model = SharedLora(setting.backbone, 4, torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    images, patches, device = setting.pixels(80), setting.patches, setting.backbone.device

    def task(share: float) -> Task:
        kept = None
        if share:
            order = torch.rand(80, patches, generator=rng).argsort(1)
            kept = order[:, : round(patches * (1 - share))].sort(1).values.to(device)
        labels = torch.arange(5).to(device)
        support = Shots(images[:5], labels, None if kept is None else kept[:5])
        query = Shots(images[5:], labels.repeat_interleave(15), None if kept is None else kept[5:])
        return Task(support, query, 5)

    tasks = {f"{share:.0%} left out".replace("%", " %"): task(share) for share in SHARES}
    learner = Prototype()

    def loss(task: Task) -> Tensor:
        with setting.precision():
            return learner.loss(model, task)

    seconds = in_turn({n: lambda t=t: loss(t).backward() for n, t in tasks.items()})  # type: ignore[misc, no-untyped-call]
    memory = {n: kept_for_backward(lambda t=t: loss(t)) for n, t in tasks.items()}  # type: ignore[misc]
    dense = next(iter(tasks))
    rows = tuple(
        (
            name,
            f"{1000 * seconds[name]:.0f}",
            f"{seconds[dense] / seconds[name]:.2f}",
            f"{memory[name] / 2**20:.0f}",
            f"{memory[name] / memory[dense]:.0%}".replace("%", " %"),
        )
        for name in tasks
    )
    heads = ("patches", "ms / task", "speed-up", "MiB kept for backward", "of dense")
    goal = "3.5" if device.type == "cpu" else "2.5"
    note = (
        f"{setting.name}, 5-way 1-shot tasks of 80 images, one shared LoRA. To reach: {goal} times as fast with 75 % "
        "of the patches left out."
    )
    return Table("Meta-training", note, heads, rows)
