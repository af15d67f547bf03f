"""Builders of the embedded pocket data: from published packages to sheets.

Nothing here runs when the suite is used; it is kept so that anybody can rebuild the data byte for byte.
"""
