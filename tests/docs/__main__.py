"""Write the output of the documentation's commands below them: `python -m tests.docs [PAGE …]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.pages import pages, run_page


def main() -> int:
    """Run the pages named, or all."""
    failures = 0
    for page in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            for ran in run_page(page, Path(folder)):
                text = text.replace(ran.old, ran.new)
                if ran.failed:
                    failures += 1
                    print(f"{page}: {ran.failed}")
        page.write_text(text, encoding="utf-8")
        print(page)
    return failures


if __name__ == "__main__":
    sys.exit(main())
