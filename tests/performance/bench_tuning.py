"""Fine-tuning many episodes at once against one after the other."""

from __future__ import annotations

import functools

import torch
from tests.performance.measure import Table, in_turn
from tests.performance.setting import plain_copy
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from freeshot.engine import EpisodeBackbone
from freeshot.engine.vit.backbone import named_backbone
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins
from freeshot_baselines.adaptation.grid_search import Setting
from freeshot_baselines.adaptation.lora_finetuning import LoraFinetuning, LoraLearner

EPISODES, WAY, STEPS, QUERIES = 12, 5, 10, 15


def streams(count: int) -> list[torch.Generator]:
    """Return this number of random streams."""
    return [torch.Generator().manual_seed(index) for index in range(count)]


def with_peft(vit: nn.Module, normalize: nn.Module, support: Tensor, queries: Tensor) -> Tensor:
    """Tune one episode as PEFT's users do: wrap the network, tune the LoRA and a head, unload it."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, lora_alpha=4, target_modules=["attn.qkv"])
    model = get_peft_model(vit, config)
    head = nn.Linear(128, WAY)
    labels = torch.arange(WAY).repeat_interleave(len(support) // WAY)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam([*trained, *head.parameters()], lr=1e-3)
    for _ in range(STEPS):
        loss = cross_entropy(head(model(normalize(support))), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        scores: Tensor = head(model(normalize(queries)))
    model.unload()
    return scores


def bench() -> Table:
    """Tune the same episodes with one LoRA at a time, and with a bank of them."""
    backbone = named_backbone(Catalogue(load_plugins()), "pocket-vit")
    trunk = EpisodeBackbone(backbone.vit, backbone.normalize)
    side = backbone.image_size
    rows = []
    for shot in (1, 5):
        support = torch.rand(EPISODES, WAY * shot, 3, side, side, generator=torch.Generator().manual_seed(0))
        queries = torch.rand(EPISODES, WAY * QUERIES, 3, side, side, generator=torch.Generator().manual_seed(1))

        def grouped(together: int, support: Tensor = support, queries: Tensor = queries) -> None:
            learner = LoraLearner(trunk, LoraFinetuning(), None, Setting(1e-3, STEPS, "zero"), together)
            for start in range(0, EPISODES, together):
                part = slice(start, start + together)
                learner.adapt_many(support[part], WAY, streams(len(support[part])))(queries[part])

        def by_peft(support: Tensor = support, queries: Tensor = queries) -> None:
            for shown, requested in zip(support, queries, strict=True):
                with_peft(plain_copy(backbone.vit), backbone.normalize, shown, requested)

        ways = {f"{n} together": functools.partial(grouped, n) for n in (1, 4, 12)}
        seconds = in_turn({"peft": by_peft, **ways}, rounds=2)
        for name, taken in seconds.items():
            gain = f"{seconds['1 together'] / taken:.2f} ×"
            rows.append((f"{shot}-shot, {name}", f"{1000 * taken / EPISODES:.0f}", gain))
    note = f"{WAY}-way, {STEPS} steps of LoRA and head, then {WAY * QUERIES} queries, on pocket-vit."
    return Table("Fine-tuning episodes", note, ("how", "ms per episode", "against one at a time"), tuple(rows))
