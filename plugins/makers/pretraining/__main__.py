"""Pre-train pocket-vit: `python -m makers.pretraining --corpus DIR --teacher FILE --out DIR`.

Two losses on augmented images of a corpus without images or held-out concepts of any track: match EfficientNet-Lite0's
features of the unaugmented image, and classify the concept of an icon. Half of the patches are dropped at random until
the last sixth of the steps: twice the images in the same time, and a network that works with few patches. Resumable:
the teacher's features are stored block by block, a checkpoint is written every minute, and the same command resumes.
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

from freeshot.basics.files import file_sha256
from freeshot.basics.seeds import derive
from freeshot.basics.system import usable_cores
from freeshot_vision.pocket.vit import SIZE, WIDTH, pocket_vit
from makers.pocket_data.corpus import load_corpus
from makers.pretraining.augment import augment
from makers.pretraining.teacher import all_features, open_teacher, principal_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timm.models.vision_transformer import VisionTransformer


@dataclass(frozen=True)
class Recipe:
    """All settings that determine the weights, besides the corpus."""

    steps: int = 5_500
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 200
    imitate: float = 1.0
    """Weight of the imitation loss, one minus a cosine."""
    imitated_axes: int = 256
    """Number of principal axes of the teacher's features to imitate."""
    name_concepts: float = 0.1
    """Weight of the classification loss."""
    photos: int = 20_000
    """Number of photographs; they have no labels here."""
    sharpness: float = 16.0
    """Scale of the cosines in the softmax over concepts."""
    smallest_concept: int = 8
    """Minimal number of drawings of a labelled concept."""
    patch_drop: float = 0.5
    """Share of the patches dropped in training."""
    whole_from: float = 0.85
    """Progress from which all patches are used."""
    ema: float = 0.999
    """Decay of the moving average of the weights, which is exported."""
    seed: int = 0


class Pictures:
    """The training images on a device, with their concepts: −1 for none."""

    def __init__(self, folder: Path, recipe: Recipe, device: torch.device) -> None:
        corpus = load_corpus(folder)
        labels = torch.cat([torch.as_tensor(corpus.grey_labels), torch.as_tensor(corpus.colour_labels)]).long()
        numbered, self.concepts = _renumber(labels, recipe.smallest_concept)
        is_named = numbered >= 0
        grey_named, colour_named = is_named[: len(corpus.grey)], is_named[len(corpus.grey) :]
        self.grey = torch.as_tensor(corpus.grey)[grey_named].to(device)  # [g, 28, 28]
        photos = torch.as_tensor(corpus.photos)[: recipe.photos]
        self.colour = torch.cat([torch.as_tensor(corpus.colour)[colour_named], photos]).to(device)  # [c, 28, 28, 3]
        self.labels = torch.cat([numbered[is_named], torch.full((len(photos),), -1)]).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, index: Tensor) -> Tensor:
        """Return images [b, 3, 28, 28] in 0…1, grey ones repeated over three channels."""
        is_grey = index < len(self.grey)
        out = torch.empty(len(index), 3, SIZE, SIZE, device=self.labels.device)
        out[is_grey] = self.grey[index[is_grey]].unsqueeze(1).float() / 255
        out[~is_grey] = self.colour[index[~is_grey] - len(self.grey)].permute(0, 3, 1, 2).float() / 255
        return out


def _renumber(labels: Tensor, smallest: int) -> tuple[Tensor, int]:
    """Renumber the concepts that have enough drawings 0…c−1, all others −1."""
    known = labels[labels >= 0]
    counts = torch.bincount(known)
    new = torch.full((len(counts) + 1,), -1)
    frequent = (counts >= smallest).nonzero().flatten()
    new[frequent] = torch.arange(len(frequent))
    return new[labels], len(frequent)


class Student(nn.Module):
    """pocket-vit with its two training heads, which are discarded afterwards."""

    def __init__(self, recipe: Recipe, concepts: int) -> None:
        super().__init__()
        self.vit: VisionTransformer = pocket_vit(recipe.patch_drop)
        self.imitation = nn.Linear(WIDTH, recipe.imitated_axes)
        self.names = nn.Parameter(torch.randn(max(concepts, 1), WIDTH))

    def look_whole(self) -> None:
        """Stop dropping patches."""
        self.vit.set_submodule("patch_drop", nn.Identity())

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return imitated directions [b, a] and cosines to the concepts' directions [b, c]."""
        features = self.vit((pictures - 0.5) / 0.5)
        return self.imitation(features), normalize(features, dim=1) @ normalize(self.names, dim=1).T


def lesson(
    student: Student, images: Tensor, labels: Tensor, targets: Tensor, recipe: Recipe
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss on a batch, and its two parts as numbers."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=images.device.type == "cuda"):
        features, cosines = student(images)
    imitation = (normalize(features.float(), dim=1) * targets).sum(1).mean()
    named = labels >= 0
    logits = recipe.sharpness * cosines[named].float()
    naming = cross_entropy(logits, labels[named])
    right = float((logits.argmax(1) == labels[named]).float().mean())
    loss = recipe.imitate * (1 - imitation) + recipe.name_concepts * naming
    return loss, {"cosine": imitation.item(), "naming": naming.item(), "right": right}


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate: linear warm-up, cosine decay."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def train(recipe: Recipe, corpus: Path, teacher_file: Path, out: Path, device: torch.device) -> nn.Module:
    """Train to the last step, resuming from the checkpoint in `out` if there is one; return the averaged network."""
    torch.manual_seed(recipe.seed)
    pictures = Pictures(corpus, recipe, device)
    print(f"{len(pictures)} pictures, {pictures.concepts} concepts to name, on {device}", flush=True)
    teacher = open_teacher(teacher_file).to(device)
    features = all_features(teacher, lambda index: pictures.read(index.to(device)), len(pictures), out / "teacher")
    targets = principal_targets(features, recipe.imitated_axes).to(device)  # [n, a]
    student = Student(recipe, pictures.concepts).to(device)
    average = torch.optim.swa_utils.AveragedModel(
        student.vit,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema),  # type: ignore[no-untyped-call]
    )
    optimizer = torch.optim.AdamW(student.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    state = _resume(out, student, average, optimizer)
    began = time.monotonic() - float(state["seconds"])
    saved = time.monotonic()
    for step in range(int(state["step"]), recipe.steps):
        torch.manual_seed(derive(recipe.seed, "pretrain", step))  # a resumed run draws the same numbers
        optimizer.param_groups[0]["lr"] = learning_rate(recipe, step)
        if step >= recipe.whole_from * recipe.steps:
            student.look_whole()
        index = torch.randint(len(pictures), (recipe.batch,), device=device)
        loss, facts = lesson(student, augment(pictures.read(index)), pictures.labels[index], targets[index], recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(student.vit)
        if step % 100 == 0 or step == recipe.steps - 1:
            summary = " ".join(f"{name} {value:.3f}" for name, value in facts.items())
            print(f"step {step} {summary} {time.monotonic() - began:.0f} s", flush=True)
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
    """Write the weights in half precision, and the facts of the training."""
    from safetensors.torch import save_file

    save_file({k: v.half().cpu().contiguous() for k, v in vit.state_dict().items()}, out / "pocket-vit.safetensors")
    manifest = json.loads((corpus / "corpus.json").read_text())
    machine = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{usable_cores()} CPU cores, {platform.machine()}"
    )
    facts = {"recipe": asdict(recipe), "seconds": round(seconds), "machine": machine, "torch": torch.__version__}
    facts["corpus"] = {"counts": manifest["counts"], "manifest_sha256": file_sha256(corpus / "corpus.json")}
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n")


def _arguments() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "--corpus", {"type": Path, "required": True, "help": "folder made by makers.pocket_data corpus"}
    yield "--teacher", {"type": Path, "required": True, "help": "weights file of EfficientNet-Lite0"}
    yield "--out", {"type": Path, "required": True, "help": "folder of checkpoint and weights"}
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
