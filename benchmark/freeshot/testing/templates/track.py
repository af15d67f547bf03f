"""A new track: a data set with novel classes, a pool, and the shape of its episodes."""

from __future__ import annotations

from freeshot import Track, hookimpl

MINE = Track(
    name="mine/toy-waves/2w1s",
    dataset="toy-waves",  # `freeshot list datasets` shows others
    pool="toy",
    sources=("toy-waves",),
    backbone="toy-vit",
    way=2,
    shot=1,
    query=5,
    episodes=50,
)


@hookimpl
def freeshot_tracks() -> list[Track]:
    """Register it: `freeshot run --track 'mine/*'`."""
    return [MINE]
