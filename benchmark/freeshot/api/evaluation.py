"""Evaluate an embedding, an adapter or a backbone on a suite's tracks, or on a person's own pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from freeshot.api.adapters import TrainedAdapter
from freeshot.api.runs import measured
from freeshot.api.session import (
    StrPath,
    Texts,
    listed,
    open_session,
    shown_progress,
    warn_of_failures,
    warn_of_left_out,
)

if TYPE_CHECKING:
    from torch import Tensor

    from freeshot.api.tables import Evaluation


def evaluate(
    target: Callable[[Tensor], Tensor] | TrainedAdapter | StrPath | None = None,
    suite: str | None = None,
    *,
    tracks: Texts = (),
    images: StrPath | None = None,
    way: int | None = None,
    shot: int = 1,
    query: int | None = None,
    episodes: int = 600,
    seed: int = 0,
    backbone: str | None = None,
    image_size: int | None = None,
    name: str | None = None,
    results: StrPath = "results",
    cache: StrPath = ".freeshot",
    data: StrPath = "data",
    device: str = "cpu",
    precision: Literal["fp32", "bf16", "auto"] = "fp32",
    plugins: Iterable[StrPath] = (),
    progress: bool = True,
) -> Evaluation:
    """Measure an embedding on a suite's tracks, and rank it beside the records; or on pictures of your own.

    Nothing is trained and no record is written. Classes are predicted by the nearest class mean.

    Args:
        target: A function from images [b, 3, h, w] in 0…1 to features [b, d]; an adapter, or its folder; or None for
            the backbone alone.
        suite: Name of the suite.
        tracks: Patterns of track names; empty: all of the suite.
        images: Folder of pictures, one folder per class, instead of tracks.
        way: Classes per task of `images`; None: five, or all if there are fewer.
        shot: Labelled pictures per class of `images`.
        query: Pictures to classify per class of `images`; None: fifteen, or as many as there are.
        episodes: Number of tasks drawn from `images`.
        seed: Random seed of these tasks.
        backbone: Name of the backbone; None: the one that the adapter's files name.
        image_size: Side in pixels of the images that a function gets; None: that of each track's backbone.
        name: Label of the row; None: the name of the function, adapter or backbone.
        results: Folder of the records to compare with; it need not exist.
        cache: Folder for intermediate results.
        data: Folder of your data sets.
        device: 'cpu', 'cuda' or 'auto': where images are given to a function.
        precision: Of the backbone's passes; 'auto' measures which one is faster.
        plugins: Files of plugins to load.
        progress: Whether to show progress.

    Raises:
        FreeshotError: If an argument, an image or the function's result is wrong.

    """
    from freeshot.api.tables import Evaluation
    from freeshot.workflows.evaluate import EvaluateRequest, plan_evaluation
    from freeshot.workflows.own_pictures import TaskSizes

    given: Any = target
    if isinstance(target, TrainedAdapter):
        given, backbone, name = target.adapter, target.backbone.name, name or target.name
    elif callable(target):
        name = name or ("embedding" if getattr(target, "__name__", "") == "<lambda>" else None)
    elif target is not None:
        given = Path(target)
    request = EvaluateRequest(
        target=given,
        suite=suite,
        tracks=listed(tracks),
        images=None if images is None else Path(images),
        sizes=TaskSizes(way, shot, query, episodes, seed),
        backbone=backbone,
        image_size=image_size,
        name=name,
        results=Path(results),
        cache=Path(cache),
        data=Path(data),
        device=device,
        precision=measured(precision, device),
    )
    session = open_session(plugins, data)
    if request.images is not None:
        warn_of_left_out(request.images)
    job = plan_evaluation(request, session.catalogue)
    warn_of_failures(session)
    with shown_progress(session, progress=progress):
        return Evaluation(**vars(job.run()))
