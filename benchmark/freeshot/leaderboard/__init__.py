"""Leaderboards: entries, ranks and comparisons computed from records. This package does not import torch."""

from __future__ import annotations

from freeshot.leaderboard.across_tracks import Standings, standings
from freeshot.leaderboard.board import Board, Extensions, boards
from freeshot.leaderboard.selection import EVERYTHING, Selection, main_suite
from freeshot.leaderboard.short_ranking import ShortRanking, short_ranking

__all__ = [
    "EVERYTHING",
    "Board",
    "Extensions",
    "Selection",
    "ShortRanking",
    "Standings",
    "boards",
    "main_suite",
    "short_ranking",
    "standings",
]
