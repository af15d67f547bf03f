"""Templates of `freeshot plugin new`: one small, complete plugin per kind, each run and tested.

`Mine`, `mine` and `MINE` are placeholders of the new plugin's name.
"""
