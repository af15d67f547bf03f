"""`list`, `show` and `plugin list` on a plugin with small fakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Call
    from tests.conftest import Install

WORLD = '''
@dataclass(frozen=True)
class Walker(MetaLearner):
    """Walk a little towards each task.

    And then walk on.
    """

    name = "walker"
    citation = "Walker et al., 2018"
    pace: float = 0.1
    """How far to walk, 0…1."""
    layers: tuple[int, ...] = (3, 6)
    """Blocks in which to walk [all, none]."""

    def fit(self, model, tasks, rng): ...

@dataclass(frozen=True)
class Guess(Method):
    """Guess at random."""

    name = "guess"
    role = "floor"
    paper_url, code_url = "https://example.org/guess", "https://example.org/code"
    needs = frozenset({Needs.POOL})
    learner: Choice = Choice("meta-learner", "walker")
    """Who learns."""

    def prepare(self, bench): ...

@dataclass(frozen=True)
class Dream(InversionMethod):
    """Dream of images."""

    name = "dream"
    prior: str = "photos"
    """What it knows of images."""

    @property
    def data_free(self): return "public prior" if self.prior else "strict"

    def synthesize(self, teacher, labels, rng): ...

@hookimpl
def freeshot_meta_learners(): return [Walker]
@hookimpl
def freeshot_inversion_methods(): return [Dream]
@hookimpl
def freeshot_methods(): return [Guess]
@hookimpl
def freeshot_tracks():
    return [Track(name="near/sketch/5w1s", dataset="sketch", pool="mix", sources=("sketch",), backbone="tiny")]
@hookimpl
def freeshot_suites():
    quick = Profile((Row("guess", {"learner": "walker"}),), limit=20, summary="In a minute.")
    return [Suite("pocket", "A small suite.", ("near/*",), {"quick": quick})]
@hookimpl
def freeshot_pools(): return [("mix", "/pools/mix")]
'''


@pytest.fixture(autouse=True)
def _world(install: Install) -> None:
    install("fake", WORLD, version="0.3")


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_list_shows_name_summary_and_origin(call: Call) -> None:
    assert lines(call("list", "meta-learners").stdout) == [
        "meta-learners",
        "walker Walk a little towards each task. freeshot-fake 0.3",
    ]


def test_list_without_an_argument_shows_everything_by_group(call: Call) -> None:
    shown = lines(call("list").stdout)
    for group in ("methods", "inversions", "strategies", "meta-learners", "backbones", "datasets", "launchers"):
        assert group in shown
    assert "near/sketch/5w1s 5-way 1-shot, novel classes of sketch, pool mix freeshot-fake 0.3" in shown
    assert "pocket A small suite. freeshot-fake 0.3" in shown
    assert "mix /pools/mix freeshot-fake 0.3" in shown


def test_list_refuses_an_unknown_group(call: Call) -> None:
    assert call("list", "methds").exit_code == 2


def test_show_prints_docstring_citation_and_options(call: Call) -> None:
    assert lines(call("show", "walker").stdout) == [
        "walker meta-learner from freeshot-fake 0.3",
        "Walk a little towards each task.",
        "",
        "And then walk on.",
        "",
        "citation Walker et al., 2018",
        "",
        "options",
        "option type default meaning",
        "pace float 0.1 How far to walk, 0…1.",
        "layers list of int 3, 6 Blocks in which to walk [all, none].",
        "",
    ]


def test_show_prints_the_needs_of_a_method_and_the_kinds_of_its_parts(call: Call) -> None:
    shown = lines(call("show", "guess").stdout)
    assert "role floor" in shown
    assert "paper https://example.org/guess" in shown
    assert "code https://example.org/code" in shown
    assert "needs pool" in shown
    assert "learner meta-learner name walker Who learns." in shown


def test_show_prints_properties_that_depend_on_options_for_the_defaults(call: Call) -> None:
    assert "data free public prior" in lines(call("show", "dream").stdout)


def test_show_describes_tracks_suites_and_pools(call: Call) -> None:
    assert "sources sketch" in lines(call("show", "near/sketch/5w1s").stdout)
    suite = lines(call("show", "pocket").stdout)
    assert "profile quick, 20 episodes per track In a minute." in suite
    assert "guess learner=walker" in suite
    assert "/pools/mix" in lines(call("show", "mix").stdout)


def test_show_suggests_names_of_all_kinds(call: Call) -> None:
    done = call("show", "pockt")
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: No component, track, suite or pool is called 'pockt'. Did you mean 'pocket'? "
        "Known: dream, guess, mix, near/sketch/5w1s, pocket, walker.\n"
    )


def test_plugin_list_shows_name_version_distribution_and_hooks(call: Call) -> None:
    kinds = ("inversion_methods", "meta_learners", "methods", "pools", "suites", "tracks")
    hooks = ", ".join(f"freeshot_{kind}" for kind in kinds)
    assert lines(call("plugin", "list").stdout) == [
        "name version distribution hooks",
        f"fake 0.3 freeshot-fake {hooks}",
    ]


def test_plugin_list_reports_once_why_each_broken_plugin_failed(call: Call, install: Install) -> None:
    install("broken", "import no_such_module")
    install("angry", "@hookimpl\ndef freeshot_datasets(): raise OSError('no images')")
    done = call("plugin", "list", plugins="fake,broken,angry")
    assert done.exit_code == 0
    assert "Plugin 'broken' (freeshot-broken 1.0): Loading it raised ModuleNotFoundError" in done.stdout
    assert "freeshot_datasets raised OSError: no images" in done.stdout
    assert not done.stderr
