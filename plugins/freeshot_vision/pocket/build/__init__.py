"""Builders of the embedded pocket data, from published packages to sheets.

Not used at run time; included so that the data can be rebuilt byte for byte.
"""
