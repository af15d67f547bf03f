"""Draw how accuracy depends on the pool: `python -m makers.pool_curves results SUITE FILE.svg`.

The suite is `pools` or `paper-pools`, whose tracks are variants of tracks of another suite with the whole pool. Left:
accuracy against the number of LoRAs. Right: the change of accuracy where LoRAs are selected, of lower rank, or
corrupted. Means over the data sets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log
from pathlib import Path

from freeshot.basics.files import write_text
from freeshot.leaderboard.board import Board, boards
from freeshot.leaderboard.entry import Entry
from freeshot.leaderboard.labels import configuration
from freeshot.records.load import load_records
from makers.figures import svg, text

WHOLE = 40
"""LoRAs of the whole pool."""
WHOLE_SUITES: Mapping[str, str] = {"pools": "pocket", "paper-pools": "paper"}
"""Suite of variants → the suite that has records of the whole pool."""
SIZES: Mapping[str, int] = {"first2": 2, "first5": 5, "first10": 10, "first20": 20}
"""Number of LoRAs of a variant."""
CHANGED: Mapping[str, str] = {
    "first10": "the first 10",
    "best10": "10 with the highest accuracy",
    "worst10": "10 with the lowest accuracy",
    "apart10": "10 that share few classes",
    "alike10": "10 that share many classes",
    "rank2": "all, rank 2 of 4",
    "rank1": "all, rank 1 of 4",
    "mislabelled10": "1 in 10 mislabelled",
    "mislabelled30": "3 in 10 mislabelled",
    "mislabelled50": "5 in 10 mislabelled",
    "noise10": "1 in 10 noise",
    "noise30": "3 in 10 noise",
    "noise50": "5 in 10 noise",
}
"""Variants of the right panel, described."""
KINDS = ("mark", "warm", "good", "bad")
"""Colours of the methods."""
WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 330, 50, 330
"""Edges of the left panel."""
SECOND, END = 560, 730
"""Edges of the right panel's axis."""


@dataclass(frozen=True)
class PoolMeans:
    """Mean accuracies of a method, in percent, on variants of the pool and on the whole pool."""

    method: str
    by_variant: Mapping[str, float]
    whole: float

    @property
    def sizes(self) -> list[tuple[int, float]]:
        """(number of LoRAs, accuracy), by number."""
        return [
            *((SIZES[name], self.by_variant[name]) for name in SIZES if name in self.by_variant),
            (WHOLE, self.whole),
        ]


def pool_means(variants: Entry, whole: Board) -> PoolMeans:
    """Average a row of a suite of variants over its data sets, for each variant and for the whole pool."""
    tracks = [track.split("/", 2)[1:] for track in variants.averages]  # [variant, 'sketch/5w1s']
    rests = sorted({rest for _, rest in tracks})
    (suite,) = {track.split("/")[0] for track in variants.averages}
    means = {name: variants.mean([f"{suite}/{name}/{rest}" for rest in rests]) for name, _ in tracks}
    (same,) = (row for row in whole.all_rows if _settings(row) == _settings(variants))
    reference = same.mean([f"in-domain/{rest}" for rest in rests])
    assert reference is not None
    return PoolMeans(variants.method, {n: 100 * mean for n, mean in means.items() if mean is not None}, 100 * reference)


def _settings(row: Entry) -> tuple[str, dict[str, str]]:
    """Return what defines a row besides its pool."""
    every = configuration(row.records[0].spec)
    return every.method, {key: value for key, value in every.values.items() if key != "pool"}


def figure(methods: Sequence[PoolMeans], frozen: float) -> str:
    """Draw both panels for methods with at least the variants of `SIZES`; `frozen` is the backbone's own accuracy."""
    return svg(
        WIDTH, HEIGHT, "Accuracy against the pool", [*_sizes(methods, frozen), *_changes(methods), *_legend(methods)]
    )


def _sizes(methods: Sequence[PoolMeans], frozen: float) -> Iterable[str]:
    values = [frozen, *(accuracy for method in methods for _, accuracy in method.sizes)]
    low, high = floor(min(values)), ceil(max(values))

    def x(count: int) -> float:
        return LEFT + (RIGHT - LEFT) * log(count / 2) / log(WHOLE / 2)

    def y(accuracy: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (accuracy - low) / (high - low)

    yield text(LEFT, TOP - 22, "Accuracy by number of LoRAs, %", "bold")
    for accuracy in range(low, high + 1):
        yield _line((LEFT, y(accuracy)), (RIGHT, y(accuracy)), "thin")
        yield text(LEFT - 8, y(accuracy) + 5, str(accuracy), "soft end")
    for count in (*SIZES.values(), WHOLE):
        yield text(x(count), BOTTOM + 20, str(count), "soft mid")
    yield _line((LEFT, y(frozen)), (RIGHT, y(frozen)), "line dash")
    yield text(RIGHT, y(frozen) - 6, "no LoRA", "soft end")
    for kind, method in zip(KINDS, methods, strict=False):
        points = [(x(count), y(accuracy)) for count, accuracy in method.sizes]
        yield _curve(points, kind)
        yield from (_dot(*point, kind) for point in points)


def _changes(methods: Sequence[PoolMeans]) -> Iterable[str]:
    names = [name for name in CHANGED if all(name in method.by_variant for method in methods)]
    changes = {(m.method, name): m.by_variant[name] - m.whole for m in methods for name in names}
    low, high = floor(min(changes.values())), max(1, ceil(max(changes.values())))

    def x(change: float) -> float:
        return SECOND + (END - SECOND) * (change - low) / (high - low)

    yield text(RIGHT + 60, TOP - 22, "Change from the whole pool, points", "bold")
    step = (BOTTOM - TOP) / max(len(names) - 1, 1)
    for change in sorted({low, 0, high}):
        yield _line((x(change), TOP - 8), (x(change), BOTTOM + 4), "thin")
        yield text(x(change), BOTTOM + 20, f"{change:+d}".replace("-", "−") if change else "0", "soft mid")
    for index, name in enumerate(names):
        yield text(SECOND - 12, TOP + index * step + 5, CHANGED[name], "soft end")
        for kind, method in zip(KINDS, methods, strict=False):
            yield _dot(x(changes[method.method, name]), TOP + index * step, kind)


def _legend(methods: Sequence[PoolMeans]) -> Iterable[str]:
    for index, (kind, method) in enumerate(zip(KINDS, methods, strict=False)):
        yield _dot(LEFT + 170 * index, HEIGHT - 22, kind)
        yield text(LEFT + 170 * index + 12, HEIGHT - 17, method.method)


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    return f'<path d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}" class="{kind}"/>'


def _curve(points: Iterable[tuple[float, float]], kind: str) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" style="fill:none;stroke:var(--fs-{kind});stroke-width:2"/>'


def _dot(x: float, y: float, kind: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{kind}"/>'


def main(results: Path, suite: str, out: Path) -> None:
    """Draw all methods that have records of every size; `frozen-prototype`, which uses no pool, is a line."""
    (varied,), (whole,) = (boards(load_records(results / name).records) for name in (suite, WHOLE_SUITES[suite]))
    methods = [pool_means(row, whole) for row in varied.all_rows]
    (frozen,) = (method.whole for method in methods if method.method == "frozen-prototype")
    drawn = [m for m in methods if m.method != "frozen-prototype" and SIZES.keys() <= m.by_variant.keys()]
    write_text(out, figure(drawn, frozen))
    print(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
