"""Shared low-level helpers: errors, names, seeds, files, statistics and prototypes.

Imports no other FreeShot package.
"""
