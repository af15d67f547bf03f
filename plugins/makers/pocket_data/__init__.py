"""Builders of the embedded pocket data, from published packages to sheets; the result is the same byte for byte."""
