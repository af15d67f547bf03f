"""All rules in the order in which they are applied: those for every component, then those of its kind."""

from __future__ import annotations

from freeshot.testing.contract import data_rules as things
from freeshot.testing.contract import efficiency, general, inversion, meta_learner, method
from freeshot.testing.contract.rules import Rule, rules_of

RULES: tuple[Rule, ...] = tuple(
    one for module in (general, inversion, efficiency, meta_learner, method, things) for one in rules_of(module)
)
