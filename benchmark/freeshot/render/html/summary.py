"""What a reader sees first: the answer to the board's question, and how to read the table."""

from __future__ import annotations

from freeshot.basics.text import counted
from freeshot.leaderboard.board import Board
from freeshot.leaderboard.entry import CLASSES
from freeshot.leaderboard.pairwise import Conclusion, conclusion
from freeshot.render.html.comparisons import Pairs

QUESTION = CLASSES[0]


def question(board: Board) -> str:
    """Return the heading of a board."""
    if opening(board) == [QUESTION]:
        return "Which method is best without training data and without tuning at test time?"
    return "How do the rows compare?"


def answer(board: Board, pairs: Pairs) -> list[str | int]:
    """Name the best rows without data and tuning, and compare the first two: texts, and indices for names of rows."""
    ranked = [
        (i, row) for i, row in enumerate(board.rows) if row.row_class == QUESTION and row.average_rank is not None
    ]
    if len(ranked) < 2:
        return []
    (i, first), (j, second), *third = ranked[:3]
    best: list[str | int] = [f"Best of {len(ranked)}: ", i, f" (average rank {first.average_rank:.2f}), before ", j]
    best += [f" ({second.average_rank:.2f})"]
    best += [text for k, row in third for text in (" and ", k, f" ({row.average_rank:.2f})")]
    verdicts = [track[3] for track in pairs.get(f"{i} {j}", ()) if track]
    if not verdicts:
        return [*best, "."]
    on = {word: f" on {verdicts.count(word)} of {counted(len(verdicts), 'track')}" for word in ("better", "worse")}
    sentences: dict[Conclusion, list[str | int]] = {
        "better": [". ", i, " is better than ", j, f"{on['better']} and worse on none."],
        "worse": [". ", j, " is better than ", i, f"{on['worse']} and worse on none."],
        "mixed": [". ", i, " is better than ", j, f"{on['better']} and worse on {verdicts.count('worse')}."],
        "equal": [". ", i, " and ", j, f" are equal on all of {counted(len(verdicts), 'track')}."],
        "undecided": [". No track separates ", i, " from ", j, "."],
    }
    return [*best, *sentences[conclusion(verdicts)]]


def opening(board: Board) -> list[str]:
    """Return the classes of rows that are shown first: the question's, or all if it has fewer than two rows."""
    classes = [row.row_class for row in board.all_rows]
    return [QUESTION] if classes.count(QUESTION) > 1 else [name for name in CLASSES if name in classes]


def reading(board: Board) -> list[str]:
    """Explain the table in two lines."""
    if not board.records:
        return []
    episodes = " or ".join(map(str, board.episodes))
    number = (
        f"A number is the mean accuracy in percent over {episodes} few-shot episodes; (3) is its rank on that track "
        "among all methods of the board, the bar its 95 % interval."
    )
    order = "The first row is the best by average rank. Choose a row, a number or a column's ? to see more."
    return [number, order]
