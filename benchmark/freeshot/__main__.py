"""`python -m freeshot` is the command `freeshot`."""

from __future__ import annotations

from freeshot.cli import main

if __name__ == "__main__":
    main(prog_name="freeshot")
