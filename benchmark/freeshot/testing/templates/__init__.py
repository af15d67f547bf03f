"""What `freeshot plugin new` starts from: one small, complete plugin per kind. They run and are tested like any other.

In each, `Mine`, `mine` and `MINE` stand for the new plugin's name.
"""
