"""`freeshot results`: check records, pack those that are to be sent, print their schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from freeshot.cli.console import stdout, tell_warning
from freeshot.cli.group import HelpfulGroup
from freeshot.cli.session import session_of

if TYPE_CHECKING:
    from freeshot.report import Loaded
    from freeshot.report.checking import Finding

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("results", cls=HelpfulGroup)
def command() -> None:
    """Check records, pack those that are to be sent, print their schema."""


@command.command("check")
@click.argument("folder", metavar="DIR", type=FOLDER, default=Path("results"))
@click.pass_context
def check(ctx: click.Context, folder: Path) -> None:
    """Say of the records in DIR what keeps them off a leaderboard, and what their readers should know."""
    if any(finding.weight == "problem" for finding in _tell(ctx, _loaded(folder))):
        ctx.exit(1)


@command.command("pack")
@click.argument("row", metavar="ROW")
@click.option("--results", type=FOLDER, default=Path("results"), help="Where records are.")
@click.option("--suite", metavar="NAME", help="Only those of this suite.")
@click.option("--out", "-o", type=FOLDER, required=True, help="New folder for what is to be sent.")
@click.pass_context
def pack(ctx: click.Context, row: str, results: Path, suite: str | None, out: Path) -> None:
    """Copy the records of ROW, a row's label or a method, into a folder, check them and list their hashes."""
    from freeshot.basics.errors import StoreError
    from freeshot.report.packing import choose_records, pack_records

    chosen = choose_records(_loaded(results).records, row, suite)
    if out.exists() and any(out.iterdir()):
        raise StoreError(f"{out} already holds files. Choose another --out, or delete that folder first.")
    pack_records(chosen.records, out)
    _tell(ctx, _loaded(out))
    if chosen.left:
        tell_warning(f"{chosen.left} other records of this method are of other rows or of none, and were left out.")
    stdout().print(
        f"{len(chosen.records)} records are in {out}. Copy what is in it to results/ of a clone of FreeShot, run "
        "'make tables' there and open a pull request.",
        soft_wrap=True,
    )


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of records, for programs of others that read or write them."""
    import json

    from freeshot.contracts.schema import record_schema

    click.echo(json.dumps(record_schema(), indent=1, ensure_ascii=False))


def _loaded(folder: Path) -> Loaded:
    from freeshot.basics.errors import StoreError
    from freeshot.report import load_records

    loaded = load_records(folder)
    if not loaded.records and not loaded.problems:
        raise StoreError(f"There is no record under {folder}. Run something first with 'freeshot run'.")
    return loaded


def _tell(ctx: click.Context, loaded: Loaded) -> tuple[Finding, ...]:
    """Print what is found of records, and how often these looked at test episodes."""
    from rich.text import Text

    from freeshot.report.checking import findings

    tracks = session_of(ctx).catalogue.tracks()
    found = findings(loaded.records, loaded.problems, tracks, loaded.older)
    console = stdout()
    for finding in found:
        mark = Text("✗ ", style="red") if finding.weight == "problem" else Text("· ", style="yellow")
        console.print(mark + Text(f"{finding.where}: {finding.text}"), soft_wrap=True)
    problems = sum(finding.weight == "problem" for finding in found)
    looks = sum(record.looks for record in (*loaded.records, *loaded.older))
    console.print(
        f"{len(loaded.records)} records, {problems} problems, {len(found) - problems} remarks; "
        f"looks at test episodes: {looks}.",
        soft_wrap=True,
    )
    return found
