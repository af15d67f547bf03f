"""Command line of the data builders: `python -m makers.pocket_data WHAT --work DIR`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from freeshot.basics.errors import FreeshotError
from freeshot_vision.pocket import DATA

SHIPPED = ("sketch", "icons", "fashion", "clipart", "glyphs", "digits")
SHEETS = (*SHIPPED, "photos")


def main() -> int:
    """Build the requested data; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m makers.pocket_data", description=__doc__)
    parser.add_argument(
        "what", choices=[*SHEETS, "corpus", "all"], help="'all' builds every sheet that is shipped, then the corpus"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for downloaded and unpacked packages")
    parser.add_argument("--out", type=Path, help="where to write; sheets default to the package's own data folder")
    arguments = parser.parse_args()
    try:
        for what in (*SHIPPED, "corpus") if arguments.what == "all" else (arguments.what,):
            _build(what, arguments.work.resolve(), arguments.out)
    except FreeshotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _build(what: str, work: Path, out: Path | None) -> None:
    """Build one target and print its summary; module NAME defines build_NAME."""
    if what == "corpus":
        from makers.pocket_data.corpus import build_corpus

        print(build_corpus(work, out or work / "corpus", DATA))
        return
    card = getattr(import_module(f"makers.pocket_data.{what}"), f"build_{what}")(work, out or DATA)
    print(f"{card.name}: {len(card.classes)} classes, {sum(card.counts)} drawings")


if __name__ == "__main__":
    raise SystemExit(main())
