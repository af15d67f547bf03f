"""Text of a comparison of two rows: a line per track, and sentences over all tracks."""

from __future__ import annotations

from freeshot.leaderboard.compare import Comparison
from freeshot.leaderboard.pairwise import Pair
from freeshot.render.format import MISSING, p_value
from freeshot.stats.intervals import Interval

HEADS = ("track", "A", "B", "A − B", "BCa", "p (Holm)", "Wilcoxon", "d_z", "A wins", "verdict")


def comparison_heads(comparison: Comparison) -> tuple[str, ...]:
    """Return the column titles; intervals over seeds have a column if any track has one."""
    return (*HEADS[:5], "over seeds", *HEADS[5:]) if _has_seeds(comparison) else HEADS


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the cells of each track's line."""
    seeds = _has_seeds(comparison)
    return [_line(t, comparison, seeds=seeds) for t in comparison.tracks]


def _has_seeds(comparison: Comparison) -> bool:
    return any(t.over_seeds for t in comparison.tracks)


def _line(t: Pair, comparison: Comparison, *, seeds: bool) -> tuple[str, ...]:
    return (
        t.track,
        *(f"{100 * row.averages[t.track].mean():.2f}" for row in (comparison.first, comparison.second)),
        _around(t.evidence.interval),
        f"{100 * t.evidence.bca.low:+.2f} … {100 * t.evidence.bca.high:+.2f}",
        *([_around(t.over_seeds) if t.over_seeds else MISSING] if seeds else []),
        _p(t.holm),
        _p(t.evidence.wilcoxon),
        f"{t.evidence.effect:+.2f}",
        f"{100 * t.evidence.superiority:.0f} %",
        t.verdict,
    )


def comparison_summary(comparison: Comparison) -> list[str]:
    """Return the sentences below the table."""
    counted = ", ".join(f"{count} {name}" for name, count in comparison.wins.items() if count)
    sentences = [
        (
            f"Over {len(comparison.tracks)} tracks: {counted}; "
            f"mean difference {100 * comparison.mean_difference:+.2f}, "
            f"interquartile mean {100 * comparison.interquartile_difference:+.2f}; "
            f"p over tracks {_p(comparison.across_tracks)}."
        ),
        (
            "Differences in accuracy points with 95 % intervals over shared episodes; p from sign-flip tests, "
            f"adjusted for the number of tracks. Equal: within ±{100 * comparison.equivalent:g} points."
        ),
    ]
    if _has_seeds(comparison):
        sentences.append(
            "'over seeds' covers training seeds and episodes, paired by seed; where it is given, the verdict uses it "
            "and is about the methods."
        )
    return sentences


def _around(interval: Interval) -> str:
    return f"{100 * interval.mean:+.2f} ± {100 * interval.half_width:.2f}"


def _p(value: float) -> str:
    return p_value(value).removeprefix("= ")
