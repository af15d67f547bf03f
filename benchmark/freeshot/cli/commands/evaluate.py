"""`freeshot evaluate`: measure an adapter, or a backbone alone, on the tracks of a suite or on one's own pictures."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.basics.text import counted
from freeshot.cli import options
from freeshot.cli.console import print_line, print_warning, table
from freeshot.cli.context import session_of

if TYPE_CHECKING:
    from freeshot.leaderboard.unsubmitted import Standing, StandingRow
    from freeshot.stats.intervals import Interval
    from freeshot.workflows.evaluation_report import EvaluationReport, TrackScore


@click.command("evaluate")
@click.argument("target", metavar="[ADAPTER]", type=options.FILE, required=False)
@click.option("--backbone", "-b", metavar="NAME", help="Backbone; default: the one the adapter was trained on.")
@options.suite(help="Evaluate on the tracks of this suite, e.g. pocket.")
@options.tracks(help="Use only tracks that match this pattern, e.g. '*/5w1s'. Repeatable.")
@click.option("--images", type=options.FILE, help="Evaluate on your own pictures instead: one folder per class.")
@click.option("--way", type=click.IntRange(min=2), help="Classes per task of --images; default: 5, or all if fewer.")
@click.option("--shot", type=click.IntRange(min=1), default=1, help="Labelled pictures per class of --images.")
@click.option(
    "--query", type=click.IntRange(min=1), help="Pictures to classify per class of --images; default: up to 15."
)
@click.option("--episodes", type=click.IntRange(min=2), default=600, help="Number of tasks drawn from --images.")
@click.option("--seed", type=int, default=0, help="Random seed of these tasks.")
@click.option("--name", metavar="NAME", help="Label of the row; default: the name of the adapter's folder.")
@click.option("--top", "-n", metavar="N", type=click.IntRange(min=0), default=3, help="Show the N best rows.")
@click.option(
    "--results", type=options.FOLDER, default=Path("results"), help="Directory of the records to compare with."
)
@options.cache_folder
@options.data_folder
@options.device
@options.precision
@click.option(
    "--format", "-f", "form", type=click.Choice(["table", "csv", "json"]), default="table", help="Output format."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result to this JSON file.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    way: int | None,
    shot: int,
    query: int | None,
    episodes: int,
    seed: int,
    top: int,
    form: str,
    out: Path | None,
    **arguments: Any,
) -> None:
    """Measure an adapter on a suite's tracks, or on your own pictures, and rank it beside the records.

    ADAPTER is a folder made by 'freeshot recycle' or saved by PEFT; without it the backbone alone is measured. Nothing
    is trained, and no record is written.
    """
    from freeshot.basics.files import require_writable
    from freeshot.workflows.evaluate import EvaluateRequest, plan_evaluation
    from freeshot.workflows.own_pictures import TaskSizes

    session = session_of(ctx, data=arguments["data"])
    request = EvaluateRequest(**arguments, sizes=TaskSizes(way, shot, query, episodes, seed))
    if out is not None:
        require_writable(out.absolute().parent, "--out")
    warn_of_left_out(request.images)
    job = plan_evaluation(request, session.catalogue)
    session.warn()
    if form == "table":
        from freeshot.cli.progress import shown

        with shown(session.host.manager):
            report = job.run()
    else:
        report = job.run()
    if out is not None:
        from freeshot.basics.files import write_text

        write_text(out, json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n")
    _print(report, form, top, request.results)


def warn_of_left_out(images: Path | None) -> None:
    """Count the pictures that are not used, before an error about a class that has no other file."""
    from freeshot.data.image_folder import left_out, stray_images

    for sentence in filter(None, (left_out(images), stray_images(images)) if images is not None else ()):
        print_warning(sentence)


def _print(report: EvaluationReport, form: str, top: int, results: Path) -> None:
    if form == "json":
        click.echo(json.dumps(report.to_json(), indent=1, ensure_ascii=False))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(_csv_rows(report))
    else:
        print_line("")
        on = f" on {report.backbone}" if report.kind == "adapter" else ""
        print_line(f"{report.name} ({report.kind}{on}, {report.precision}): accuracy in %, unsubmitted")
        if report.standing is None:
            _print_pictures(report.scores[0])
        else:
            _print_tracks(report, report.standing)
            _print_standing(report.standing, top, results)


def _print_pictures(score: TrackScore) -> None:
    rows = [(f"accuracy, ± over {interval.covers}", _percent(interval)) for interval in (score.interval, *score.wider)]
    if score.gain is not None:
        from freeshot.stats.intervals import student_t

        rows.append(("backbone alone, ± over episodes", _percent(student_t(score.baseline))))
        rows.append(("gain of the adapter, ± over episodes", _points(score.gain)))
    table(rows)
    print_line(
        f"{score.way}-way {score.shot}-shot tasks with {counted(score.query, 'query picture')} per class, "
        f"{len(score.accuracies)} of them drawn from {score.track}."
    )


def _print_tracks(report: EvaluationReport, standing: Standing) -> None:
    """Print a line per track: accuracy, rank, and paired differences to the reference and to the best row."""
    reference = standing.reference
    ranked = bool(standing.others)
    heads = ["track", "accuracy"]
    heads += ["rank"] if ranked else []
    heads += [f"vs {reference.label}"] if reference else []
    heads += ["vs best row"] if ranked else []
    rows = []
    for score in report.scores:
        row = [score.track, _percent(score.interval)]
        if ranked:
            row.append("{} of {}".format(*standing.ranks[score.track]))
        if reference:
            row.append(_difference(reference, score.track))
        if ranked:
            best = standing.best(score.track)
            row.append(f"{_difference(best, score.track)} ({best.label})" if best else "–")
        rows.append(row)
    table(rows, heads=heads)
    if len(report.scores) > 1:
        print_line(f"Mean over {len(report.scores)} tracks: {100 * report.mean:.1f}")


def _print_standing(standing: Standing, top: int, results: Path) -> None:
    """Print the position among the rows of the suite, and which records were left out."""
    shown = standing.excerpt(top)
    if standing.others:
        print_line("")
        rows = [_standing_row(row) for row in shown]
        heads = ("#", "method", "data", "rank", "mean", "difference", "better / equal / undecided / worse")
        table(rows, heads=heads, title=f"Among {counted(len(standing.others), 'row')} of suite {standing.suite}")
        hidden = len(standing.others) + 1 - len(shown)
        if hidden:
            print_line(f"{counted(hidden, 'more row')}: --top N shows N of the best, --format json all.")
        print_line(
            "difference: this evaluation minus the row, mean over tracks; on a track it is better or worse if the 95 % "
            "interval over the shared episodes lies beyond ±0.5 points."
        )
    else:
        print_line(f"Not ranked: {results} has no record that can be compared.")
    for reason, count in standing.not_paired.items():
        print_line(f"{counted(count, 'record')} of these tracks {reason}: not compared.")


def _standing_row(row: StandingRow) -> tuple[str, ...]:
    verdicts = row.verdicts
    counts = " / ".join(str(verdicts[name]) for name in ("better", "equal", "undecided", "worse"))
    return (
        str(row.position or "–"),
        row.label if row.role in ("method", "unsubmitted") else f"{row.label} ({row.role})",
        row.data or "–",
        "–" if row.rank is None else f"{row.rank:.2f}",
        "–" if row.mean is None else f"{100 * row.mean:.1f}",
        "–" if row.difference is None else _signed(row.difference),
        counts if row.differences else "–",
    )


def _csv_rows(report: EvaluationReport) -> Iterator[list[object]]:
    yield ["track", "way", "shot", "query", "episodes", "accuracy", "low", "high", "rank", "rows", *_REFERENCE]
    for score in report.scores:
        standing, interval = report.standing, score.interval
        rank = standing.ranks[score.track] if standing and standing.others else ("", "")
        difference = score.gain
        if standing and standing.reference:
            difference = standing.reference.differences.get(score.track)
        sizes = [score.track, score.way, score.shot, score.query, len(score.accuracies)]
        numbers = [*_numbers(interval), *rank, *(_numbers(difference) if difference else ("", "", ""))]
        yield [*sizes, *numbers]


_REFERENCE = ("difference_to_reference", "difference_low", "difference_high")


def _numbers(interval: Interval) -> list[str]:
    return [f"{value:.6f}" for value in (interval.mean, interval.low, interval.high)]


def _signed(difference: float) -> str:
    """Format a difference in points, without a negative zero."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.mean:.2f} ± {100 * interval.half_width:.2f}"


def _difference(row: StandingRow, track: str) -> str:
    interval = row.differences.get(track)
    return "–" if interval is None else _points(interval)


def _points(interval: Interval) -> str:
    """Format a difference."""
    return f"{100 * interval.mean:+.2f} ± {100 * interval.half_width:.2f}"
