"""Adapters: trained from a pool or loaded, saved, and used to classify pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from freeshot.api.runs import measured, texts_of
from freeshot.api.session import StrPath, open_session, shown_progress, warn, warn_of_failures, warn_of_left_out
from freeshot.basics.errors import OptionError
from freeshot.basics.tables import html_table
from freeshot.contracts.pool import LoraPool

if TYPE_CHECKING:
    from freeshot.api.predictions import ShownPredictions
    from freeshot.contracts.tensors import Adapter
    from freeshot.engine.vit.backbone import Backbone


@dataclass(frozen=True, eq=False, repr=False)
class TrainedAdapter:
    """An adapter on its backbone, made by `recycle` or opened by `load_adapter`."""

    name: str
    adapter: Adapter
    """Its tensors."""
    backbone: Backbone
    facts: Mapping[str, Any]
    """How it was made: pool, method, options, seconds of each stage, and what was gained. JSON values."""

    def save(self, folder: StrPath, *, overwrite: bool = False) -> Path:
        """Write PEFT's two files and a card into a folder, and return its path.

        StoreError if the folder holds anything but this adapter, unless `overwrite` is set, or cannot be written.
        """
        from freeshot.pool.adapter_folder import export_adapter, require_free

        path = Path(folder)
        require_free(path, self.facts or {"pool": None}, overwrite=overwrite)
        export_adapter(path, self.adapter, self.backbone, self.facts)
        return path

    def __repr__(self) -> str:
        rank = max(tensor.shape[0] for name, tensor in self.adapter.tensors.items() if name.endswith(".A"))
        return f"TrainedAdapter '{self.name}': rank {rank} on {self.backbone.name}"

    def _repr_html_(self) -> str:
        rows = [(name.replace("_", " "), _plain(value)) for name, value in self.facts.items()]
        return html_table(rows, title=repr(self))


def recycle(
    pool: LoraPool | StrPath,
    *,
    preset: str | None = None,
    budget: float = 15,
    method: str | None = None,
    options: Mapping[str, Any] | Iterable[str] = (),
    shot: int = 1,
    seed: int = 0,
    backbone: str | None = None,
    images: StrPath | None = None,
    cache: StrPath = ".freeshot",
    pools: StrPath = "pools",
    device: str = "cpu",
    precision: Literal["fp32", "bf16", "auto"] = "fp32",
    plugins: Iterable[StrPath] = (),
    progress: bool = True,
) -> TrainedAdapter:
    """Train one meta-LoRA from a pool of LoRAs, without real data.

    An interrupted call continues where it stopped when it is repeated. Nothing is written but the cache; `save` writes
    the adapter.

    Args:
        pool: An opened pool, or its name or folder.
        preset: 'quick', 'good' or 'paper', or a suite for its options; None: the most thorough one within the budget.
        budget: Minutes that the default preset may take on this machine, as estimated.
        method: Method that trains the adapter; None: that of the main suite.
        options: Its options, as a dictionary.
        shot: Labelled images per class to train for.
        seed: Random seed.
        backbone: Backbone of the pool; None: the one named in the pool.
        images: Folder of labelled pictures, a folder per class, on which the gain is measured; not used for training.
        cache: Folder for intermediate results.
        pools: Folder of your LoRA pools.
        device: 'cpu', 'cuda' or 'auto'.
        precision: Of the frozen backbone's passes; 'auto' measures which one is faster.
        plugins: Files of plugins to load.
        progress: Whether to print what was chosen, its cost and the gain, and to show progress.

    Raises:
        FreeshotError: If an argument, the pool or a picture is wrong, before the training starts.

    """
    from freeshot.cli.commands.recycle import choices_text, gain_text
    from freeshot.cli.console import print_line
    from freeshot.workflows.export_adapter import RecycleRequest, plan_recycling

    request = RecycleRequest(
        pool=str(_folder_of(pool) if isinstance(pool, LoraPool) else pool),
        method=method,
        options=texts_of(options),
        preset=preset,
        budget=60 * budget,
        shot=shot,
        seed=seed,
        backbone=backbone,
        images=None if images is None else Path(images),
        cache=Path(cache),
        pools=Path(pools),
        device=device,
        precision=measured(precision, device),
    )
    if request.images is not None:
        warn_of_left_out(request.images)
    session = open_session(plugins)
    job = plan_recycling(request, session.catalogue)
    warn_of_failures(session)
    say = print_line if progress else _ignore
    for sentence in choices_text(job.choices, budget):
        say(sentence)
    with shown_progress(session, progress=progress):
        result = job.run()
    for gain in result.gains:
        say(gain_text(gain))
    return TrainedAdapter(f"recycled {job.pool.name}", result.adapter, result.backbone, result.facts)


def load_adapter(
    folder: StrPath, *, backbone: str | None = None, device: str = "cpu", plugins: Iterable[StrPath] = ()
) -> TrainedAdapter:
    """Open an adapter: one that `recycle` made, or any LoRA of the backbone that PEFT saved.

    The backbone is by default the one that the adapter's files name. PoolError names the file that is wrong.
    """
    from freeshot.workflows.predict import open_learner

    path = Path(folder)
    learner, opened = open_learner(open_session(plugins).catalogue, path, backbone, device)
    adapter = learner.adapter
    assert adapter is not None  # a folder was given
    return TrainedAdapter(path.resolve().name, adapter, opened, adapter.facts)


def predict(
    adapter: TrainedAdapter | StrPath | None,
    support: StrPath,
    query: StrPath,
    *,
    backbone: str | None = None,
    strict: bool = False,
    batch: int | None = None,
    device: str = "cpu",
    plugins: Iterable[StrPath] = (),
    progress: bool = True,
) -> ShownPredictions:
    """Classify pictures by the nearest class mean of a few labelled ones. Nothing is trained.

    Args:
        adapter: An adapter, or its folder; None: the backbone without an adapter.
        support: Folder of labelled pictures: one folder per class.
        query: Folder or file of pictures to classify. Those in folders named after a class count for the accuracy.
        backbone: Name of the backbone; None: the one that the adapter's files name.
        strict: Whether a picture that cannot be read is an error; otherwise it is skipped with a FreeshotWarning.
        batch: Pictures per forward pass; None: chosen from their size.
        device: 'cpu', 'cuda' or 'auto'; that of an opened adapter is fixed.
        plugins: Files of plugins to load.
        progress: Whether to show progress.

    Raises:
        FreeshotError: If a folder, a picture or the adapter is wrong.

    """
    from freeshot.api.predictions import ShownPredictions
    from freeshot.contracts.events import Progress
    from freeshot.engine.lora.adapted_learner import AdaptedLearner
    from freeshot.workflows.predict import open_learner, predict_folders

    session = open_session(plugins)
    if isinstance(adapter, TrainedAdapter):
        learner, opened = AdaptedLearner(adapter.backbone, adapter.adapter), adapter.backbone
    else:
        folder = None if adapter is None else Path(adapter)
        learner, opened = open_learner(session.catalogue, folder, backbone, device)
    warn_of_left_out(Path(support), Path(query))

    def on_step(done: int, total: int) -> None:
        list(session.host.results("freeshot_event", event=Progress("predict", "images", done, total)))

    with shown_progress(session, progress=progress):
        predictions = predict_folders(
            learner, Path(support), Path(query), opened.image_size, opened.device,
            strict=strict, batch=batch, on_step=on_step,
        )  # fmt: skip
    for sentence in predictions.skipped:
        warn(f"Skipped: {sentence}")
    return ShownPredictions(**vars(predictions))


def _ignore(_: str) -> None:
    """Print nothing."""


def _folder_of(pool: LoraPool) -> Path:
    """Return the folder of a whole pool; OptionError for a part or a variant of one."""
    from freeshot.pool.cards import read_pool_card

    whole = read_pool_card(pool.path).name
    if pool.name != whole:
        raise OptionError(f"'{pool.name}' is a part or a variant of a pool. Choose '{whole}' itself.")
    return pool.path


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
