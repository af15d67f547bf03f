"""A track of your own: which novel classes are asked, with how many examples, beside which pool."""

from __future__ import annotations

from freeshot import Track, hookimpl

MINE = Track(
    name="mine/toy-waves/2w1s",
    dataset="toy-waves",  # `freeshot list datasets` names others
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
    """Offer it: `freeshot run --track 'mine/*'`."""
    return [MINE]
