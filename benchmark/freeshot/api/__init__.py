"""The suite from Python and notebooks: what the command line does, as functions that return objects.

    import freeshot as fs

    results = fs.run("pocket", methods=["lora-recycle", fs.method("free", iterations=200)], tracks="in-domain/*")
    results.leaderboard()
    results.compare("free", "lora-recycle")

`freeshot` re-exports everything here, and imports it on first use. The functions share plans, workflows, messages and
progress display with the shell; errors are FreeshotErrors, and an interrupted call continues when it is repeated.
"""

from __future__ import annotations

from freeshot.api.adapters import TrainedAdapter, load_adapter, predict, recycle
from freeshot.api.catalogue import (
    list_backbones,
    list_datasets,
    list_inversions,
    list_launchers,
    list_meta_learners,
    list_methods,
    list_pools,
    list_strategies,
    list_suites,
    list_tracks,
)
from freeshot.api.evaluation import evaluate
from freeshot.api.pools import load_pool
from freeshot.api.results import Results, load_predictions, load_results
from freeshot.api.runs import method, run, run_file

__all__ = [
    "Results",
    "TrainedAdapter",
    "evaluate",
    "list_backbones",
    "list_datasets",
    "list_inversions",
    "list_launchers",
    "list_meta_learners",
    "list_methods",
    "list_pools",
    "list_strategies",
    "list_suites",
    "list_tracks",
    "load_adapter",
    "load_pool",
    "load_predictions",
    "load_results",
    "method",
    "predict",
    "recycle",
    "run",
    "run_file",
]
