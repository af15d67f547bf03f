"""The pre-training corpus of the network, by the manifest that ships with its weights."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

from freeshot_vision.pocket import DATA, WEIGHTS
from makers.pocket_data.concept_names import mentions_any, normalised
from makers.pocket_data.corpus import excluded_concepts


@cache
def _manifest() -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(gzip.decompress((WEIGHTS.parent / "corpus.json.gz").read_bytes()))
    return manifest


def test_no_concept_of_the_corpus_mentions_a_held_out_class_of_any_track() -> None:
    excluded = normalised(excluded_concepts(DATA))
    assert [concept for concept in _manifest()["concepts"] if mentions_any(concept, excluded)] == []


def test_the_rule_detects_a_held_out_class() -> None:
    card = json.loads((DATA / "sketch.json").read_text())
    assert mentions_any(card["split"]["novel"][0], normalised(excluded_concepts(DATA)))


def test_the_corpus_holds_neither_sketches_nor_an_emoji_set_of_a_track() -> None:
    packages = {source["package"] for source in _manifest()["sources"]}
    assert not any("quickdraw" in package for package in packages)


def test_every_source_of_the_corpus_names_version_hash_and_licence() -> None:
    for source in _manifest()["sources"]:
        assert source["version"]
        assert len(source["sha256"]) == 64
        assert source["license"]
