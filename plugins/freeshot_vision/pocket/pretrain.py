"""Pre-train pocket-vit: `python -m freeshot_vision.pocket.pretrain --corpus DIR --teacher FILE --out DIR`.

Two lessons, on augmented pictures of a corpus that holds no image and no held-out concept of any track:
name the concept of an icon, by cosine to a learned direction each; and, with a machine that can afford it
(`--imitate 1`), imitate the features that EfficientNet-Lite0 has of all pictures, photographs included.
Half of the patches are left out at random until the last sixth of the steps: twice the pictures in the same
time, and a network that is used to looking through few patches. Resumable: a checkpoint is written every
minute, and the same command goes on from it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from freeshot.basics.seeds import derive

from freeshot_vision.pocket.augment import augment
from freeshot_vision.pocket.build.corpus import load_corpus
from freeshot_vision.pocket.teacher import WIDTH as TEACHER_WIDTH
from freeshot_vision.pocket.teacher import open_teacher, teacher_features
from freeshot_vision.pocket.vit import WIDTH, pocket_vit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timm.models.vision_transformer import VisionTransformer


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights, besides the corpus."""

    steps: int = 4_500
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 300
    imitate: float = 0.0
    """Weight of the distillation loss; 0 leaves the teacher and the unlabelled pictures out."""
    sharpness: float = 16.0
    """Scale of the cosines in the softmax over concepts."""
    smallest_concept: int = 3
    """Drawings a concept must have to be named."""
    patch_drop: float = 0.5
    """Share of the patches left out while training."""
    whole_from: float = 0.85
    """Progress from which on all patches are looked at."""
    ema: float = 0.999
    """Decay of the moving average of the weights, which is what is kept."""
    seed: int = 0


class Pictures:
    """The corpus on a device: drawn uniformly, grey ones spread over three channels."""

    def __init__(self, folder: Path, smallest_concept: int, device: torch.device, *, labelled_only: bool) -> None:
        corpus = load_corpus(folder)
        self.grey = torch.as_tensor(corpus.grey).to(device)  # [g, 28, 28]
        colour = torch.cat([torch.as_tensor(corpus.colour), torch.as_tensor(corpus.photos)])  # [c + p, 28, 28, 3]
        self.colour = colour.to(device)
        labels = torch.cat(
            [
                torch.as_tensor(corpus.grey_labels).long(),
                torch.as_tensor(corpus.colour_labels).long(),
                torch.full((len(corpus.photos),), -1),
            ]
        )
        self.labels, self.concepts = _renumber(labels, smallest_concept)
        self.labels = self.labels.to(device)
        drawn = self.labels >= 0 if labelled_only else torch.ones_like(self.labels, dtype=torch.bool)
        self.drawn = drawn.nonzero().flatten()

    def __len__(self) -> int:
        return len(self.drawn)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw pictures [b, 3, 28, 28] in 0…1 with concept labels [b], −1 for none."""
        index = self.drawn[torch.randint(len(self), (count,), device=self.labels.device)]
        is_grey = index < len(self.grey)
        grey = self.grey[index[is_grey]].unsqueeze(1).expand(-1, 3, -1, -1)
        colour = self.colour[index[~is_grey] - len(self.grey)].permute(0, 3, 1, 2)
        labels = torch.cat([self.labels[index[is_grey]], self.labels[index[~is_grey]]])
        return torch.cat([grey, colour]).float() / 255, labels


def _renumber(labels: Tensor, smallest: int) -> tuple[Tensor, int]:
    """Number the concepts that have enough drawings 0…c−1; all others become −1."""
    known = labels[labels >= 0]
    counts = torch.bincount(known)
    new = torch.full((len(counts) + 1,), -1)
    frequent = (counts >= smallest).nonzero().flatten()
    new[frequent] = torch.arange(len(frequent))
    return new[labels], len(frequent)


class Student(nn.Module):
    """pocket-vit with the two heads of its lessons, which are thrown away afterwards."""

    def __init__(self, concepts: int, patch_drop: float) -> None:
        super().__init__()
        self.vit: VisionTransformer = pocket_vit(patch_drop)
        self.imitation = nn.Sequential(nn.Linear(WIDTH, 1024), nn.GELU(), nn.Linear(1024, TEACHER_WIDTH))
        self.names = nn.Parameter(torch.randn(max(concepts, 1), WIDTH))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [b, 128] and their cosines to the concepts' directions [b, c]."""
        features = self.vit((pictures - 0.5) / 0.5)
        return features, normalize(features, dim=1) @ normalize(self.names, dim=1).T


def imitation_loss(ours: Tensor, theirs: Tensor) -> Tensor:
    """One minus the cosine of standardised features, averaged."""
    standard = (theirs - theirs.mean(0)) / (theirs.std(0) + 1e-3)
    return 1 - (normalize(ours, dim=1) * normalize(standard, dim=1)).sum(1).mean()


def lesson(
    student: Student, teacher: nn.Module | None, images: Tensor, labels: Tensor, recipe: Recipe
) -> tuple[Tensor, float]:
    """Return the loss on a batch, and the share of concepts named rightly."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=images.device.type == "cuda"):
        features, cosines = student(images)
    named = labels >= 0
    logits = recipe.sharpness * cosines[named].float()
    loss = cross_entropy(logits, labels[named])
    if teacher is not None:
        with torch.no_grad():
            theirs = teacher_features(teacher, images)
        loss = loss + recipe.imitate * imitation_loss(student.imitation(features).float(), theirs)
    return loss, float((logits.argmax(1) == labels[named]).float().mean())


def learning_rate(recipe: Recipe, step: int) -> float:
    """Up a line, down a cosine."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def train(recipe: Recipe, corpus: Path, teacher_file: Path | None, out: Path, device: torch.device) -> nn.Module:
    """Train to the last step, from the checkpoint in `out` if there is one; return the averaged network."""
    torch.manual_seed(recipe.seed)
    pictures = Pictures(corpus, recipe.smallest_concept, device, labelled_only=recipe.imitate == 0)
    teacher = open_teacher(teacher_file).to(device) if teacher_file is not None and recipe.imitate else None
    student = Student(pictures.concepts, recipe.patch_drop).to(device)
    average = torch.optim.swa_utils.AveragedModel(
        student.vit, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema)
    )
    optimizer = torch.optim.AdamW(student.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    state = _resume(out, student, average, optimizer)
    began = time.monotonic() - float(state["seconds"])
    saved = time.monotonic()
    print(f"{len(pictures)} pictures, {pictures.concepts} concepts to name, from step {state['step']} on {device}")
    for step in range(int(state["step"]), recipe.steps):
        torch.manual_seed(derive(recipe.seed, "pretrain", step))  # so that a resumed run draws what an undisturbed one would
        optimizer.param_groups[0]["lr"] = learning_rate(recipe, step)
        if step >= recipe.whole_from * recipe.steps:
            student.vit.patch_drop = nn.Identity()
        images, labels = pictures.draw(recipe.batch)
        loss, right = lesson(student, teacher, augment(images), labels, recipe)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(student.vit)
        if step % 100 == 0 or step == recipe.steps - 1:
            print(f"step {step} loss {loss.item():.4f} right {right:.3f} {time.monotonic() - began:.0f} s", flush=True)
        if time.monotonic() - saved > 60 or step == recipe.steps - 1:
            saved = time.monotonic()
            _checkpoint(out, student, average, optimizer, step + 1, saved - began)
    averaged: nn.Module = average.module
    return averaged


def _checkpoint(out: Path, student: nn.Module, average: nn.Module, optimizer: Any, step: int, seconds: float) -> None:
    out.mkdir(parents=True, exist_ok=True)
    state = {"student": student.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state | {"step": step, "seconds": seconds}, out / "checkpoint.tmp")
    (out / "checkpoint.tmp").replace(out / "checkpoint.pt")


def _resume(out: Path, student: nn.Module, average: nn.Module, optimizer: Any) -> dict[str, Any]:
    if not (out / "checkpoint.pt").exists():
        return {"step": 0, "seconds": 0.0}
    state: dict[str, Any] = torch.load(out / "checkpoint.pt", weights_only=True)
    student.load_state_dict(state["student"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return state


def export(vit: nn.Module, recipe: Recipe, corpus: Path, out: Path, device: torch.device, seconds: float) -> None:
    """Write the weights in half precision, and the facts of their making."""
    from safetensors.torch import save_file

    save_file({k: v.half().cpu().contiguous() for k, v in vit.state_dict().items()}, out / "pocket-vit.safetensors")
    manifest = json.loads((corpus / "corpus.json").read_text())
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    facts = {"recipe": asdict(recipe), "seconds": round(seconds), "machine": machine, "torch": torch.__version__}
    facts["corpus"] = {key: manifest[key] for key in ("sha256", "counts") if key in manifest}
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n")


def _arguments() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "--corpus", {"type": Path, "required": True, "help": "folder made by freeshot_vision.pocket.build corpus"}
    yield "--teacher", {"type": Path, "help": "weights file of EfficientNet-Lite0, for --imitate"}
    yield "--out", {"type": Path, "required": True, "help": "where checkpoint and weights go"}
    yield "--device", {"default": "cuda" if torch.cuda.is_available() else "cpu"}
    for name, default in asdict(Recipe()).items():
        yield f"--{name.replace('_', '-')}", {"type": type(default), "default": default}


def main() -> None:
    """Read the command line, train, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, settings in _arguments():
        parser.add_argument(flag, **settings)
    given = vars(parser.parse_args())
    recipe = Recipe(**{name: given[name] for name in asdict(Recipe())})
    device = torch.device(given["device"])
    vit = train(recipe, given["corpus"], given["teacher"], given["out"], device)
    seconds = torch.load(given["out"] / "checkpoint.pt", weights_only=True)["seconds"]
    export(vit, recipe, given["corpus"], given["out"], device, seconds)


if __name__ == "__main__":
    main()
