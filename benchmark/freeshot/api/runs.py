"""Run cells from Python: `run`, `run_file`, and methods with options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from freeshot.api.results import Results
from freeshot.api.session import StrPath, Texts, listed, open_session, shown_progress, warn, warn_of_failures
from freeshot.launch.request import MethodChoice, RunRequest, option_texts

if TYPE_CHECKING:
    from freeshot.launch.plan import Plan
    from freeshot.records.models import Precision


def method(name: str, /, **options: Any) -> MethodChoice:
    """Choose a method with options of its own, for `run`.

    Options of a component are a dictionary, whose 'name' selects another component:
    `method("lora-recycle", rank=8, learner={"name": "reptile", "pace": 0.5})`. OptionError for a value that is neither
    text, a number, a truth value, None nor a list of these; names and types are checked when the run is planned.
    """
    return MethodChoice.of(name, options)


def run(
    suite: str | None = None,
    *,
    methods: Texts | MethodChoice | Iterable[str | MethodChoice] = (),
    tracks: Texts = (),
    profile: str | None = None,
    options: Mapping[str, Any] | Iterable[str] = (),
    backbone: str | None = None,
    pool: str | None = None,
    seeds: int | Iterable[int] = (),
    limit: int | None = None,
    device: str = "cpu",
    precision: Literal["fp32", "bf16", "auto"] = "fp32",
    launcher: str = "local",
    launcher_options: Mapping[str, Any] | Iterable[str] = (),
    results: StrPath = "results",
    cache: StrPath = ".freeshot",
    data: StrPath = "data",
    pools: StrPath = "pools",
    plugins: Iterable[StrPath] = (),
    rerun: bool = False,
    save_predictions: bool = False,
    progress: bool = True,
) -> Results:
    """Run a suite, or selected tracks and methods, and return the records of all its cells.

    Finished cells are not run again, and an interrupted run continues when it is repeated. The arguments are the
    options of `freeshot run`; where that takes an option several times, a list or a single value is accepted.

    Args:
        suite: Name of a suite; None needs both `tracks` and `methods`.
        methods: Names, or choices made by `method`; empty: the rows of the suite's profile.
        tracks: Patterns of track names, such as '*/5w1s'; empty: those of the profile.
        profile: Size of the suite, such as 'quick'; None: the full one.
        options: Options for every method that has them, as a dictionary.
        backbone: Backbone instead of the tracks' own; 'NAME:KEY=VALUE,…' sets its options.
        pool: LoRA pool instead of the tracks' own, by name or folder.
        seeds: Random seeds; empty: those of the profile.
        limit: Number of episodes, if fewer than the tracks'; such results are not comparable.
        device: 'cpu', 'cuda' or 'auto'.
        precision: Of the frozen backbone's passes; 'auto' measures which one is faster.
        launcher: Name of a launcher: 'local', 'submitit', 'ray'.
        launcher_options: Its options, such as {'workers': 2}.
        results: Folder for the records, and for the file that repeats the run.
        cache: Folder for intermediate results.
        data: Folder of your data sets.
        pools: Folder of your LoRA pools.
        plugins: Files of plugins to load.
        rerun: Whether to run finished cells again.
        save_predictions: Whether to write the predictions of each cell that runs beside its record.
        progress: Whether to show progress.

    Raises:
        FreeshotError: If a name, an option or an input is wrong; nothing has been run then. A cell that fails raises
            nothing: a FreeshotWarning gives the reason, and `Results.failed` the record.

    """
    from freeshot.launch.plan import plan_run
    from freeshot.launch.run_file import save_run_file
    from freeshot.launch.runner import execute_plan
    from freeshot.leaderboard.labels import cell_titles

    request = RunRequest(
        suite=suite,
        profile=profile,
        tracks=listed(tracks),
        methods=listed(methods),
        options=texts_of(options),
        backbone=backbone,
        pool=pool,
        seeds=listed(seeds),
        limit=limit,
        results=Path(results),
        cache=Path(cache),
        data=Path(data),
        pools=Path(pools),
        device=device,
        precision=measured(precision, device),
        launcher=launcher,
        launcher_options=texts_of(launcher_options),
        rerun=rerun,
        save_predictions=save_predictions,
    )
    session = open_session(plugins, data)
    plan = plan_run(request, session.catalogue)
    warn_of_failures(session)
    todo = [cell.spec.cell for cell in plan.cells if cell.state == "todo"]
    with shown_progress(session, cell_titles([cell.spec for cell in plan.cells]), todo, progress=progress):
        execute_plan(plan, request, session.catalogue)
    warn_of_failures(session)
    save_run_file(request, session.host.selection.files)
    return _results_of(plan, request.results)


def run_file(file: StrPath, *, rerun: bool = False, progress: bool = True, **changes: Any) -> Results:
    """Run a TOML file as `freeshot run FILE` does; `changes` are arguments of `run` that replace those of the file.

    OptionError states what is wrong with the file.
    """
    from freeshot.launch.run_file import read_run_file

    given = read_run_file(Path(file))
    if "launcher" in changes:
        given.pop("launcher_options", None)
    return run(**given | changes, rerun=rerun, progress=progress)


def _results_of(plan: Plan, folder: Path) -> Results:
    """Return the records of a plan's cells, with a warning if some of them have no result."""
    from freeshot.basics.text import counted
    from freeshot.records.store import stored_record

    stored = [stored_record(folder, cell.spec) for cell in plan.cells]
    results = Results([record for record in stored if record is not None])
    if failed := results.failed:
        first = failed[0]
        warn(
            f"{len(failed)} of {counted(len(plan.cells), 'cell')} failed, first {first.spec.title}: {first.reason} "
            "The attribute `failed` of the results has their records."
        )
    if missing := stored.count(None):
        warn(f"{counted(missing, 'cell')} left no record: another process is running them, or died. Repeat the call.")
    return results


def texts_of(options: Mapping[str, Any] | Iterable[str]) -> tuple[str, ...]:
    """Return options, a dictionary or texts, as texts 'key=value'."""
    return option_texts(options) if isinstance(options, Mapping) else listed(options)


def measured(precision: Literal["fp32", "bf16", "auto"], device: str) -> Precision:
    """Replace 'auto' by the precision that is faster on the device."""
    if precision != "auto":
        return precision
    from freeshot.engine.devices import choose_device
    from freeshot.engine.vit.bf16 import faster_precision

    return faster_precision(choose_device(device))[0]
