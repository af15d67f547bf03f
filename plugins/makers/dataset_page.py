"""Generate the documentation's table of data sets: `python -m makers.dataset_page PAGE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from freeshot_vision.datasets import DATASETS

if TYPE_CHECKING:
    from freeshot_vision.datasets.published_dataset import PublishedDataset

START, END = "<!-- data sets: start -->", "<!-- data sets: end -->"


def listing() -> str:
    """Describe every published data set: content, source, required files, split and licence."""
    return "\n".join(_section(cls()) for cls in DATASETS)


def with_listing(page: str) -> str:
    """Replace the text between the marks of a page."""
    before, _, rest = page.partition(START)
    return f"{before}{START}\n\n{listing()}\n{END}{rest.partition(END)[2]}"


def _section(dataset: PublishedDataset) -> str:
    counts = ", ".join(f"{count} {split}" for split, count in dataset.class_counts().items() if count)
    put = "; ".join(download.description for download in dataset.downloads).replace("'", "`")
    address, comma, details = dataset.publisher.partition(", ")
    sums = sum(bool(md5) for download in dataset.downloads for md5 in download.archives.values())
    checked = " Its checksum is compared by `freeshot data check`." if sums else ""
    offered = f"- **Download** `freeshot data get {dataset.name}`\n" if dataset.remote_files() else ""
    return (
        f"## {dataset.name}\n\n{dataset.summary()}\n\n"
        f"- **From** <{address}>{comma}{details}\n"
        f"{offered}"
        f"- **Into** `data/{dataset.name}/`: {put}.{checked}\n"
        f"- **Classes** {counts}; split: {dataset.split_source}.\n"
        f"- **Licence** {dataset.license}. **Cite** {dataset.citation}.\n"
    )


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_listing(page.read_text(encoding="utf-8")), encoding="utf-8")
