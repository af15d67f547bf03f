"""`freeshot results`: list, show and validate records, pack them for submission, print their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.basics.errors import StoreError
from freeshot.basics.text import counted
from freeshot.cli import options
from freeshot.cli.console import print_finding, print_line, print_warning, table
from freeshot.cli.context import session_of
from freeshot.cli.group import HelpfulGroup

if TYPE_CHECKING:
    from freeshot.leaderboard.validate import Finding
    from freeshot.records.load import Loaded


@click.group("results", cls=HelpfulGroup)
def command() -> None:
    """List, show or validate records, pack them for submission, or print their schema."""


@command.command("list")
@options.results_argument
@options.suite(help="List only records of this suite.")
@options.tracks(help="List only tracks that match this pattern, e.g. '*/5w1s'. Repeatable.")
@options.methods(help="List only this method, or the row with this label. Repeatable.")
@click.option(
    "--format", "-f", "form", type=click.Choice(["table", "csv", "json"]), default="table", help="Output format."
)
def list_(results: Path, suite: str | None, tracks: tuple[str, ...], methods: tuple[str, ...], form: str) -> None:
    """List the records in DIR. CSV and JSON have more columns."""
    from freeshot.leaderboard import Selection
    from freeshot.leaderboard.listing import list_records
    from freeshot.render.record_list import HEADS, records_as_csv, records_as_json, records_as_rows

    loaded = _loaded(results)
    for problem in loaded.problems:
        print_warning(problem)
    listed = list_records(loaded.records, Selection(suite, tracks, methods))
    if form == "table":
        table(records_as_rows(listed), heads=HEADS)
    else:
        click.echo({"csv": records_as_csv, "json": records_as_json}[form](listed), nl=False)


@command.command("show")
@click.argument("record", metavar="RECORD")
@options.results_argument
def show(record: str, results: Path) -> None:
    """Print everything that a record holds. RECORD is its file, or the first digits of its hash in DIR."""
    import shlex

    from freeshot.records.load import find_record
    from freeshot.records.models import RunRecord
    from freeshot.records.predictions import stored_at
    from freeshot.render.record_text import record_sections

    path = find_record(record, results)
    for section in record_sections(RunRecord.read(path)):
        table([(f"  {name}", value) for name, value in section.lines], title=section.title)
    print_line(f"File: {path}")
    if stored_at(path).exists():
        print_line(f"Predictions: {stored_at(path)}")
    print_line(f"Reproduce it: {shlex.join(['freeshot', 'reproduce', str(path)])}")


@command.command("check")
@options.results_argument
@click.pass_context
def check(ctx: click.Context, results: Path) -> None:
    """Validate the records in DIR."""
    if any(finding.weight == "problem" for finding in _print(ctx, _loaded(results))):
        ctx.exit(1)


@command.command("pack")
@click.argument("row", metavar="ROW")
@options.results_argument
@options.suite(help="Pack only records of this suite.")
@click.option("--out", type=options.FOLDER, required=True, help="Output folder; must be empty or new.")
@click.pass_context
def pack(ctx: click.Context, row: str, results: Path, suite: str | None, out: Path) -> None:
    """Copy the records of ROW (a row label or a method) to a new folder, check them and list their hashes."""
    from freeshot.leaderboard.submission import choose_records, pack_records

    chosen, left = choose_records(_loaded(results).records, row, suite)
    if out.exists() and any(out.iterdir()):
        raise StoreError(f"{out} is not empty. Choose another --out, or delete that folder first.")
    pack_records(chosen, out)
    _print(ctx, _loaded(out))
    if left:
        print_warning(f"{counted(left, 'other record')} of this method left out: of other rows, or of none.")
    print_line(
        f"Packed {counted(len(chosen), 'record')} in {out}. To submit them, copy the contents to results/ of a "
        "clone of FreeShot, run 'make tables' and open a pull request."
    )


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of a record."""
    import json

    from freeshot.records.schema import record_schema

    click.echo(json.dumps(record_schema(), indent=1, ensure_ascii=False))


def _loaded(folder: Path) -> Loaded:
    from freeshot.records.load import load_records

    loaded = load_records(folder)
    if not loaded.records and not loaded.problems:
        raise options.no_records(folder)
    return loaded


def _print(ctx: click.Context, loaded: Loaded) -> tuple[Finding, ...]:
    """Print the findings about the records, and how often their test episodes were evaluated."""
    from freeshot.leaderboard.validate import findings

    every = findings(loaded.records, loaded.problems, session_of(ctx).catalogue.tracks(), loaded.older)
    for finding in every:
        print_finding(f"{finding.where}: {finding.text}", severe=finding.weight == "problem")
    problems = sum(finding.weight == "problem" for finding in every)
    evaluations = sum(record.test_evaluations for record in (*loaded.records, *loaded.older))
    print_line(
        f"{counted(len(loaded.records), 'record')}, {counted(problems, 'problem')}, "
        f"{counted(len(every) - problems, 'remark')}; "
        f"test evaluations: {evaluations}."
    )
    return every
