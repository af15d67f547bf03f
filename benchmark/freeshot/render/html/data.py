"""The data of a board for the HTML page, as plain JSON values: numbers to draw and sort by, and texts as shown.

Everything is decided here; the page's script only draws, sorts and filters. Texts of records are put on one line.
"""

from __future__ import annotations

from typing import Any

from freeshot.leaderboard.across_tracks import standings
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.costs import costs, usual_device
from freeshot.leaderboard.entry import CLASSES
from freeshot.leaderboard.secondary_metrics import difficulty_curves
from freeshot.render.format import column_titles, explanation, one_line, title
from freeshot.render.html.bibtex import FREESHOT
from freeshot.render.html.cards import cards_of
from freeshot.render.html.comparisons import conclusions_of, default_pair, pairs_of, standings_data
from freeshot.render.html.cost_axes import AXES, axis_data
from freeshot.render.html.records import pack
from freeshot.render.html.rows import row_data
from freeshot.render.html.summary import answer, opening, question, reading
from freeshot.render.html.tracks import track_data
from freeshot.render.tables import reported_tables
from freeshot.stats.paired_tests import EQUIVALENT

Plain = dict[str, Any]


def board_data(board: Board, folder: str = "results") -> Plain:
    """Return all data of a board."""
    rows, every = board.all_rows, costs(board)
    device = usual_device(every)
    of_row = {row.label: [cost for cost in every if cost.label == row.label] for row in rows}
    main = [max(own, key=lambda cost: cost.records) for own in of_row.values() if own]
    tracks = [track for tracks in board.sections.values() for track in tracks]
    pairs = pairs_of(rows, [t.name for t in tracks])
    conclusions = conclusions_of(pairs)
    records = pack(record for row in rows for record in row.records)
    return {
        "title": title(board),
        "suite": one_line(board.suite),
        "device": one_line(device or ""),
        "devices": sorted({one_line(cost.device) for cost in every}, key=lambda name: (name != device, name)),
        "version": board.version,
        "question": question(board),
        "answer": answer(board, pairs),
        "reading": reading(board),
        "explanation": list(explanation(board)),
        "problems": [one_line(problem) for problem in board.problems],
        "columns": column_titles(board),
        "classes": [name for name in CLASSES if any(row.row_class == name for row in rows)],
        "opening": opening(board),
        "tracks": [track_data(track, board) for track in tracks],
        "axes": [axis_data(axis, main) for axis in AXES],
        "rows": [row_data(row, board, of_row[row.label], device, records, folder) for row in rows],
        "cards": cards_of(board),
        "pair": default_pair(board),
        "equivalent": EQUIVALENT,
        "pairs": pairs,
        "conclusions": conclusions,
        "standings": standings_data(ranked, board) if (ranked := standings(board)) else None,
        "difficulty": [
            {
                "track": one_line(curves.track),
                "reference": [row.label for row in rows].index(curves.reference),
                "odds": [round(value, 4) for value in curves.log_odds],
                "curves": [
                    [i, [round(value, 4) for value in curves.accuracies[row.label]]]
                    for i, row in enumerate(rows)
                    if row.label in curves.accuracies
                ],
            }
            for curves in difficulty_curves(board)
        ],
        "published": [
            {
                "section": one_line(section),
                "heads": [one_line(head) for head in table.titles],
                "lines": [[cell.text for cell in line] for line in table.lines],
            }
            for section, table in reported_tables(board, digits=2).items()
        ],
        "sheets": [],
        "cite": FREESHOT,
        "records": records.lines,
        "shared": records.shared,
    }
