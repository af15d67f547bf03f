"""Rules for all components."""

from __future__ import annotations

import json
import pickle

from freeshot.contracts.component import build, options_of, to_json
from freeshot.plugin.diagnostics import why_not_usable
from freeshot.plugin.kinds import KINDS
from freeshot.testing.contract.rules import CLASSES, BrokenError, Subject, rule


@rule("its name, docstring and decorators are valid", *CLASSES, first=True)
def _is_usable(subject: Subject) -> None:
    if reason := why_not_usable(subject.value, KINDS[subject.kind].type):
        raise BrokenError(reason)
    summary = subject.value.summary()
    if not summary.endswith((".", "!", "?")):
        raise BrokenError(f"The docstring's first line, '{summary}', is not a sentence. End it with a full stop.")


@rule("constructs with its defaults and the options given", *CLASSES, first=True)
def _constructs(subject: Subject) -> None:
    subject.make()


@rule("each option has a description", *CLASSES)
def _options_are_told(subject: Subject) -> None:
    silent = [name for name, option in options_of(subject.value).items() if not option.help]
    if silent:
        raise BrokenError(f"Missing description of {', '.join(silent)}. Write a string under each field.")


@rule("options can be stored as JSON", *CLASSES)
def _options_survive(subject: Subject) -> None:
    original = subject.make()
    restored = build(subject.value, json.loads(json.dumps(to_json(original))))
    if restored != original:
        raise BrokenError(f"{original} came back from JSON as {restored}. Use int, float, str, bool, tuple and Choice.")


@rule("can be sent to a worker process", *CLASSES)
def _pickles(subject: Subject) -> None:
    original = subject.make()
    try:
        restored = pickle.loads(pickle.dumps(original))  # noqa: S301 - our own bytes
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise BrokenError(f"It cannot be pickled ({error}). Define the class at the top of its module.") from None
    if restored != original:
        raise BrokenError(f"{original} came back from pickle as {restored}. Keep everything in fields.")
