"""Leaderboards: entries, ranks and comparisons computed from records. This package does not import torch."""

from __future__ import annotations

from freeshot.leaderboard.across_tracks import Standings, standings
from freeshot.leaderboard.board import Board, boards
from freeshot.leaderboard.selection import EVERYTHING, Selection, main_suite
from freeshot.leaderboard.short_ranking import ShortRanking, short_ranking
from freeshot.leaderboard.versus import Versus, versus

__all__ = [
    "EVERYTHING",
    "Board",
    "Selection",
    "ShortRanking",
    "Standings",
    "Versus",
    "boards",
    "main_suite",
    "short_ranking",
    "standings",
    "versus",
]
