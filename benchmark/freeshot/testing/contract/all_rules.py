"""All rules in the order in which they are applied: those of every component, then those of its kind."""

from __future__ import annotations

from freeshot.testing.contract import data_rules, general, inversion, meta_learner, method, shared_rules, strategy
from freeshot.testing.contract.rules import Rule

MODULES = (general, inversion, strategy, meta_learner, method, shared_rules, data_rules)
RULES: tuple[Rule, ...] = tuple(
    sorted(
        (value for module in MODULES for value in vars(module).values() if isinstance(value, Rule)),
        key=lambda rule: rule.last,
    )
)
