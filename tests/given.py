"""A stream of tasks in a given order; implements `freeshot.TaskStream`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from freeshot.contracts.tensors import Checkpoint

if TYPE_CHECKING:
    from freeshot.contracts.tensors import Task


class Given:
    """Tasks in order, an optional checkpoint, and tasks of held-out classes."""

    def __init__(
        self, tasks: Sequence[Task], checkpoint: Checkpoint | None = None, held_out: Sequence[Task] = ()
    ) -> None:
        self.tasks, self.checkpoint, self.held_out = tasks, checkpoint or Checkpoint(), held_out

    def take(self, count: int, start: int = 0) -> Iterator[Task]:
        yield from self.tasks[start:count]

    def take_where(self, count: int, predicate: Callable[[Task], bool]) -> Iterator[Task]:
        yield from [task for task in self.tasks if predicate(task)][:count]
