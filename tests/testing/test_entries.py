"""A report lists each cause of failure once, with the plugin's line below the first rule that fails for it."""

from __future__ import annotations

from freeshot.basics.failures import Failure
from freeshot.basics.frames import Frame
from freeshot.testing.contract.rules import Line, Report, entries


def raised(line: int) -> Failure:
    """Return a failure at this line of a plugin."""
    frame = Frame("/home/ann/mine.py", line, "Mine.loss", "self.go()")
    return Failure("KeyError: 'x'", frame, (frame,), "Traceback\n  all of it\n")


LINES = (
    Line("starts", "It raised KeyError.", raised(3)),
    Line("is named"),
    Line("learns", "It raised KeyError, too.", raised(3)),
    Line("ends", "It raised KeyError.", raised(9)),
    Line("has images", "It has no image."),
    Line("has labels", "It has no image."),
    Line("stays", "It raised KeyError.", raised(3)),
)


def test_rules_that_fail_for_one_reason_are_listed_below_the_first_of_them() -> None:
    assert str(Report("method 'mine'", LINES)).splitlines() == [
        "method 'mine'",
        "  ✗ starts: It raised KeyError.",
        "      /home/ann/mine.py:3 in Mine.loss",
        "          self.go()",
        "      2 more rules fail for the same reason: learns; stays",
        "  ✓ is named",
        "  ✗ ends: It raised KeyError.",
        "      /home/ann/mine.py:9 in Mine.loss",
        "          self.go()",
        "  ✗ has images: It has no image.",
        "      1 more rule fails for the same reason: has labels",
    ]


def test_the_full_traceback_replaces_the_lines() -> None:
    first = entries(Report("method 'mine'", LINES[:1]), whole=True)[0]
    assert first.details == ("Traceback", "  all of it")
