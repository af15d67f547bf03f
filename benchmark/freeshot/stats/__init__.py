"""Intervals and tests: Student's t, bootstrap, paired tests, crossed effects, equivalence."""
