"""Components are selected by name; unusable components alone are excluded, with a message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from freeshot.basics.errors import PluginError, UnknownNameError
from freeshot.contracts.tracks import Track
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import load_plugins

if TYPE_CHECKING:
    from tests.conftest import Install

LEARNER = '''
@dataclass(frozen=True)
class Learner{n}(MetaLearner):
    """Learn in the fake way."""
    name = "{name}"
    pace: float = 0.1
    """How fast."""
    def fit(self, model, tasks, rng): ...

@hookimpl
def freeshot_meta_learners():
    return [Learner{n}]
'''


def learner(name: str, n: int = 0) -> str:
    return LEARNER.format(name=name, n=n)


def catalogue(*plugins: str) -> Catalogue:
    return Catalogue(load_plugins(only=frozenset(plugins)))


def test_a_component_is_selected_by_kind_and_name(install: Install) -> None:
    install("walk", learner("walker"), version="0.3")
    actual = catalogue("walk")
    assert actual.component("meta-learner", "walker").name == "walker"
    assert actual.names("meta-learner") == ("walker",)
    assert actual.origin("meta-learner", "walker") == "freeshot-walk 0.3"


def test_for_a_typo_the_nearest_name_is_suggested(install: Install) -> None:
    install("walk", learner("walker"))
    with pytest.raises(UnknownNameError) as message:
        catalogue("walk").component("meta-learner", "walkr")
    assert str(message.value) == "No meta-learner is called 'walkr'. Did you mean 'walker'? Known: walker."


def test_an_unknown_name_mentions_the_plugin_that_failed(install: Install) -> None:
    install("broken", "import no_such_module")
    with pytest.raises(UnknownNameError, match=r"'broken' failed to load and may provide it.*no_such_module"):
        catalogue("broken").component("meta-learner", "walker")


def test_an_unknown_name_does_not_mention_failures_of_another_kind(install: Install) -> None:
    install("angry", "@hookimpl\ndef freeshot_tracks(): raise OSError")
    actual = catalogue("angry")
    assert not actual.tracks()
    with pytest.raises(UnknownNameError) as message:
        actual.component("meta-learner", "walker")
    assert "angry" not in str(message.value)


def test_for_an_unknown_kind_the_nearest_is_suggested() -> None:
    with pytest.raises(UnknownNameError, match=r"No kind is called 'metalearner'. Did you mean 'meta-learner'"):
        catalogue().names("metalearner")


def test_for_two_classes_of_the_same_name_both_modules_and_versions_are_named(install: Install) -> None:
    install("ann", learner("walker", 1))
    install("bob", learner("walker", 2), version="2.0")
    install("sue", learner("runner"))
    actual = catalogue("ann", "bob", "sue")
    with pytest.raises(PluginError) as message:
        actual.component("meta-learner", "walker")
    assert str(message.value) == (
        "The meta-learner name 'walker' is claimed by fake_ann (freeshot-ann 1.0) and fake_bob (freeshot-bob 2.0), "
        "so none of them can be used. Leave one plugin out with --no-plugin, or rename its part."
    )
    assert actual.names("meta-learner") == ("runner",)


def test_a_class_offered_twice_is_registered_once(install: Install) -> None:
    install("ann", learner("walker"))
    install(
        "bob", "from fake_ann import Learner0\n@hookimpl\ndef freeshot_meta_learners(): return [Learner0, Learner0]"
    )
    assert catalogue("ann", "bob").names("meta-learner") == ("walker",)


def test_the_same_name_in_two_kinds_is_not_a_conflict(install: Install) -> None:
    install("walk", learner("same"))
    track = "Track(name='same', dataset='d', pool='p', sources=(), backbone='b')"
    install("path", f"@hookimpl\ndef freeshot_tracks(): return [{track}]")
    actual = catalogue("walk", "path")
    assert actual.track("same").dataset == "d"
    assert actual.component("meta-learner", "same").name == "same"


def test_a_hook_that_cannot_import_its_classes_is_a_failure_of_its_plugin(install: Install) -> None:
    install("angry", "@hookimpl\ndef freeshot_meta_learners():\n    import no_such_module")
    install("walk", learner("walker"))
    actual = catalogue("angry", "walk")
    assert actual.names("meta-learner") == ("walker",)
    assert [failure.name for failure in actual.host.failures] == ["angry"]


def test_the_hook_of_a_kind_is_called_only_when_needed_and_once(install: Install) -> None:
    install("count", "calls = []\n@hookimpl\ndef freeshot_tracks():\n    calls.append(1)\n    return []")
    actual = catalogue("count")
    assert not actual.names("meta-learner")
    import fake_count  # type: ignore[import-not-found]

    assert fake_count.calls == []
    actual.tracks()
    actual.tracks()
    assert fake_count.calls == [1]


UNUSABLE = {
    "not a subclass": "class C: pass",
    "not a frozen dataclass": 'class C(MetaLearner):\n    """Do."""\n    name = "c"\n    def fit(self, *a): ...',
    "does not implement fit": '@dataclass(frozen=True)\nclass C(MetaLearner):\n    """Do."""\n    name = "c"',
    "has the invalid name 'Big C'": (
        '@dataclass(frozen=True)\nclass C(MetaLearner):\n    """Do."""\n    name = "Big C"\n    def fit(self, *a): ...'
    ),
    "the invalid name ''": '@dataclass(frozen=True)\nclass C(MetaLearner):\n    """Do."""\n    def fit(self, *a): ...',
    "no docstring": '@dataclass(frozen=True)\nclass C(MetaLearner):\n    name = "c"\n    def fit(self, *a): ...',
    "has no default": (
        "from dataclasses import KW_ONLY\n@dataclass(frozen=True)\nclass C(MetaLearner):\n"
        '    """Do."""\n    name = "c"\n    pace: float\n    def fit(self, *a): ...'
    ),
    "NameError": (
        '@dataclass(frozen=True)\nclass C(MetaLearner):\n    """Do."""\n    name = "c"\n    pace: "Missing" = 1\n'
        "    def fit(self, *a): ..."
    ),
    "is not a subclass": "C = 7",
}


@pytest.mark.parametrize("why", UNUSABLE)
def test_an_unusable_class_is_excluded_with_the_reason(install: Install, why: str) -> None:
    install("odd", f"{UNUSABLE[why]}\n@hookimpl\ndef freeshot_meta_learners(): return [C]")
    install("walk", learner("walker"))
    actual = catalogue("odd", "walk")
    assert actual.names("meta-learner") == ("walker",)
    (failure,) = actual.host.failures
    assert failure.name == "odd"
    assert why in failure.reason


def test_an_unusable_class_does_not_exclude_others_of_its_plugin(install: Install) -> None:
    install("walk", learner("walker").replace("[Learner0]", "[int, Learner0]"))
    assert catalogue("walk").names("meta-learner") == ("walker",)


def test_a_hook_that_does_not_return_a_list_is_a_failure(install: Install) -> None:
    install("mute", "@hookimpl\ndef freeshot_methods(): pass")
    actual = catalogue("mute")
    assert not actual.names("method")
    assert "returned None, which is not a list" in actual.host.failures[0].reason


def test_a_generator_that_raises_is_a_failure_of_its_plugin(install: Install) -> None:
    install("half", "@hookimpl\ndef freeshot_tracks():\n    yield from ()\n    raise OSError('half way')")
    actual = catalogue("half")
    assert not actual.tracks()
    assert "half way" in actual.host.failures[0].reason


def test_a_wrapped_listing_hook_is_refused(install: Install) -> None:
    install("wrap", "@hookimpl(wrapper=True)\ndef freeshot_tracks(): return (yield)")
    actual = catalogue("wrap")
    assert not actual.tracks()
    assert "cannot be wrapped" in actual.host.failures[0].reason


@pytest.fixture
def tracks(install: Install) -> Catalogue:
    made = (
        "[Track(name=n, dataset='d', pool='p', sources=('d',), backbone='b') for n in ('a/x/1s', 'a/y/5s', 'b/x/1s')]"
    )
    install("tracks", f"@hookimpl\ndef freeshot_tracks(): return {made}")
    return catalogue("tracks")


def test_patterns_select_tracks_in_the_order_of_their_names(tracks: Catalogue) -> None:
    assert [track.name for track in tracks.match_tracks(["b/*", "a/*/1s"])] == ["a/x/1s", "b/x/1s"]


def test_for_a_pattern_without_a_match_the_nearest_name_is_suggested(tracks: Catalogue) -> None:
    with pytest.raises(UnknownNameError, match=r"No track is called 'a/y/6s'. Did you mean 'a/y/5s'"):
        tracks.match_tracks(["a/x/1s", "a/y/6s"])


def test_a_track_is_selected_by_name_with_its_origin(tracks: Catalogue) -> None:
    assert isinstance(tracks.track("a/x/1s"), Track)
    assert tracks.origin("track", "a/x/1s") == "freeshot-tracks 1.0"


def test_suites_pools_penalties_and_columns_are_collected(install: Install) -> None:
    install(
        "much",
        """
        @hookimpl
        def freeshot_suites(): return [Suite("pocket", "A small suite.", ("*",), {})]
        @hookimpl
        def freeshot_pools(): return [("sketch", "/pools/sketch")]
        @hookimpl
        def freeshot_lora_penalties(): return [("ridge", print), ("none", 0.1)]
        @hookimpl
        def freeshot_leaderboard_columns(): return [Column("seeds", lambda record: record.spec.seed)]
        """,
    )
    actual = catalogue("much")
    assert actual.suite("pocket").summary == "A small suite."
    assert actual.pools() == {"sketch": Path("/pools/sketch")}
    assert actual.pool("sketch") == Path("/pools/sketch")
    assert [column.title for column in actual.columns()] == ["seeds"]
    assert actual.lora_penalty("ridge") is print
    with pytest.raises(UnknownNameError, match=r"No penalty is called 'none'.*expected a pair \(name, function\)"):
        actual.lora_penalty("none")


@pytest.mark.parametrize(
    ("suites", "main"),
    [((("a", False),), "a"), ((("a", False), ("b", True)), "b"), ((("a", False), ("b", False)), None), ((), None)],
)
def test_the_main_suite_is_the_flagged_or_the_only_suite(
    install: Install, suites: tuple[tuple[str, bool], ...], main: str | None
) -> None:
    made = ", ".join(f"Suite({name!r}, '', ('*',), {{}}, main={flag})" for name, flag in suites)
    install("some", f"@hookimpl\ndef freeshot_suites(): return [{made}]")
    suite = catalogue("some").main_suite()
    assert (suite and suite.name) == main


def test_two_tracks_of_the_same_name_are_both_refused(install: Install) -> None:
    track = "Track(name='same', dataset='d', pool='p', sources=(), backbone='b', version={})"
    install("ann", f"@hookimpl\ndef freeshot_tracks(): return [{track.format(1)}]")
    install("bob", f"@hookimpl\ndef freeshot_tracks(): return [{track.format(2)}]")
    actual = catalogue("ann", "bob")
    with pytest.raises(PluginError, match=r"track name 'same'.*plugin 'ann' .freeshot-ann 1.0. and plugin 'bob'"):
        actual.track("same")


def test_a_value_of_the_wrong_type_is_excluded(install: Install) -> None:
    install("odd", "@hookimpl\ndef freeshot_tracks(): return ['a/x/1s']")
    actual = catalogue("odd")
    assert not actual.tracks()
    assert "offers 'a/x/1s', expected a freeshot.Track" in actual.host.failures[0].reason
