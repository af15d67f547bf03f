"""Records in memory: filter them, rank and compare their rows, turn them into frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from freeshot.api.session import StrPath, Texts, listed, open_session, warn
from freeshot.basics.errors import StoreError
from freeshot.basics.tables import html_table, pandas_frame
from freeshot.basics.text import counted

if TYPE_CHECKING:
    import pandas as pd

    from freeshot.api.tables import Comparison, Leaderboard
    from freeshot.leaderboard.listing import Listed
    from freeshot.records.models import RunRecord
    from freeshot.records.predictions import CellPredictions

SHOWN = 30
"""Number of records in the HTML listing of results that have no leaderboard."""


class Results(Sequence["RunRecord"]):
    """Records of cells: a sequence with filters, leaderboard, comparison and frame.

    In a notebook it shows itself as a leaderboard.
    """

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._records = tuple(records)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self._records)

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> RunRecord | Results:
        """Return a record, or Results for a slice."""
        return Results(self._records[index]) if isinstance(index, slice) else self._records[index]

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites of the records."""
        return tuple(sorted({record.spec.suite for record in self}))

    @property
    def tracks(self) -> tuple[str, ...]:
        """The tracks of the records."""
        return tuple(sorted({record.spec.track.name for record in self}))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of the records; a method may have several rows."""
        return tuple(sorted({record.spec.method.name for record in self}))

    @property
    def failed(self) -> Results:
        """The records of cells that failed or broke a rule; their `reason` is a sentence."""
        return Results(record for record in self if record.status in ("failed", "violated"))

    def filter(self, *, suite: str | None = None, track: Texts = (), method: Texts = ()) -> Results:
        """Select records by suite, by patterns of track names, and by methods or row labels.

        UnknownNameError, with the nearest match, for a name or pattern that no record has.
        """
        return Results(each.record for each in self._listed(suite, track, method))

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per record; OptionError if pandas is not installed.

        Its columns are those of `freeshot results list --format csv`; accuracies are in 0…1.
        """
        from freeshot.leaderboard.listing import FIELDS

        fields = [each.fields() for each in self._listed()]
        return pandas_frame({name: [row[name] for row in fields] for name in FIELDS})

    def leaderboard(
        self,
        suite: str | None = None,
        *,
        tracks: Texts = (),
        methods: Texts = (),
        sort: str = "rank",
        top: int | None = None,
    ) -> Leaderboard:
        """Rank the rows of a suite, as `freeshot leaderboard` does.

        By default the suite is the main one, or the one with most records. UnknownNameError for a name that no record
        has; StoreError if the results are empty.
        """
        from freeshot.api.tables import Leaderboard
        from freeshot.leaderboard import Selection, main_suite, short_ranking

        self._require_records()
        if suite is None:
            several = len(self.suites) > 1
            suite = main_suite(self._records, open_session().catalogue.suites()) if several else self.suites[0]
        selection = Selection(suite, listed(tracks), listed(methods))
        return Leaderboard(**vars(short_ranking(self, selection, sort=sort, top=top)))

    def compare(
        self, first: str, second: str, *, suite: str | None = None, tracks: Texts = (), margin: float = 0.5
    ) -> Comparison:
        """Compare two rows, by label or method, episode by episode, as `freeshot compare` does.

        `margin` is the equivalence margin in accuracy points. UnknownNameError if a name matches no row or several;
        EpisodeError if the rows share no track, or if their episodes differ; StoreError if the results are empty.
        """
        from freeshot.api.tables import Comparison
        from freeshot.leaderboard import boards
        from freeshot.leaderboard.compare import board_with_both, compare

        self._require_records()
        board = board_with_both(boards(self), (first, second), suite)
        return Comparison(**vars(compare(board, first, second, listed(tracks) or ("*",), margin / 100)))

    def __repr__(self) -> str:
        return (
            f"Results: {counted(len(self), 'record')} of {counted(len(self.methods), 'method')} on "
            f"{counted(len(self.tracks), 'track')}" + (f" (suites: {', '.join(self.suites)})" if self else "")
        )

    def _repr_html_(self) -> str:
        if any(record.status == "ok" and record.comparable for record in self):
            return self.leaderboard()._repr_html_()
        from freeshot.render.record_list import HEADS, records_as_rows

        rows = records_as_rows(self._listed())
        notes = [f"{len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
        return html_table(rows[:SHOWN], HEADS, repr(self), notes)

    def _listed(self, suite: str | None = None, track: Texts = (), method: Texts = ()) -> list[Listed]:
        from freeshot.leaderboard import Selection
        from freeshot.leaderboard.listing import list_records

        return list_records(self, Selection(suite, listed(track), listed(method)))

    def _require_records(self) -> None:
        if not self:
            raise StoreError("The results are empty. Create records with freeshot.run, or load another folder.")


def load_results(folder: StrPath = "results") -> Results:
    """Load all records under a folder; each file that is not a valid record costs a FreeshotWarning.

    StoreError if the folder does not exist.
    """
    from freeshot.records.load import load_records

    path = Path(folder)
    if not path.is_dir():
        raise StoreError(f"The folder {path} does not exist. Create records with freeshot.run, or load another folder.")
    loaded = load_records(path)
    for problem in loaded.problems:
        warn(problem)
    return Results(loaded.records)


def load_predictions(file: StrPath) -> CellPredictions:
    """Load the predictions of a cell, saved by `run(…, save_predictions=True)`, by their file or that of its record.

    StoreError states what is wrong with the file.
    """
    from freeshot.records.predictions import CellPredictions, stored_at

    path = Path(file)
    return CellPredictions.read(stored_at(path) if path.suffix == ".json" else path)
