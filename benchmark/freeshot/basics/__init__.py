"""Shared low-level helpers: errors, files, seeds, text, option checks and access control.

Imports no other FreeShot package.
"""
