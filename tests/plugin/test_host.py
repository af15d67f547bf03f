"""A failure of a plugin does not affect other plugins."""

from __future__ import annotations

import hashlib
import pickle
import sys
from typing import TYPE_CHECKING

import pytest

from freeshot.basics.errors import PluginError
from freeshot.plugin.catalogue import Catalogue
from freeshot.plugin.host import SLOW, Host, PluginFailure, PluginInfo, load_plugins

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Install

GOOD = """
@hookimpl
def freeshot_tracks():
    return []
"""


def loaded(host: Host) -> set[str]:
    return {info.name for info in host.loaded}


def only_failure(host: Host) -> PluginFailure:
    (failure,) = host.failures
    return failure


def test_a_plugin_is_loaded_with_its_distribution_version_and_hooks(install: Install) -> None:
    install("good", GOOD, version="0.3")
    host = load_plugins()
    assert PluginInfo("good", "freeshot-good", "0.3", ("freeshot_tracks",)) in host.loaded
    assert not host.failures


def test_a_broken_plugin_does_not_hide_the_others(install: Install) -> None:
    install("broken", "import no_such_module")
    install("good", GOOD)
    host = load_plugins()
    assert "good" in loaded(host)
    assert only_failure(host).line == (
        "Plugin 'broken' (freeshot-broken 1.0): Loading it raised ModuleNotFoundError: No module named "
        "'no_such_module' (fake_broken.py, line 5). Correct or uninstall the plugin, or leave it out with --no-plugin."
    )


def test_a_plugin_that_calls_sys_exit_does_not_end_the_process(install: Install) -> None:
    install("quitter", "import sys; sys.exit(3)")
    install("good", GOOD)
    host = load_plugins()
    assert "good" in loaded(host)
    assert "called sys.exit(3)" in only_failure(host).reason


def test_a_misspelt_hook_fails_its_plugin_only(install: Install) -> None:
    install("misspelt", "@hookimpl\ndef freeshot_metalearners(): return []\n" + GOOD)
    install("later", GOOD)
    host = load_plugins()
    assert "later" in loaded(host)
    assert "misspelt" not in loaded(host)
    assert only_failure(host).reason == (
        "It implements the hook 'freeshot_metalearners', which freeshot does not have. "
        "Did you mean 'freeshot_meta_learners'?"
    )


def test_two_plugins_with_the_same_misspelt_hook_both_fail(install: Install) -> None:
    install("first", "@hookimpl\ndef freeshot_trakcs(): return []")
    install("second", "@hookimpl\ndef freeshot_trakcs(): return []")
    assert [failure.name for failure in load_plugins().failures] == ["first", "second"]


def test_a_hook_with_wrong_arguments_fails_its_plugin_only(install: Install) -> None:
    install("argued", "@hookimpl\ndef freeshot_event(evnt): ...")
    install("good", GOOD)
    host = load_plugins()
    assert "good" in loaded(host)
    assert "argued" not in loaded(host)
    assert "freeshot_event(evnt)" in only_failure(host).reason
    assert "\n" not in only_failure(host).reason


def test_a_hook_without_its_marker_is_a_failure(install: Install) -> None:
    install("unmarked", "def freeshot_tracks(): return []")
    assert "freeshot_tracks without @hookimpl" in only_failure(load_plugins()).reason


def test_the_hooks_of_a_failed_plugin_are_removed(install: Install) -> None:
    install("misspelt", "@hookimpl\ndef freeshot_metalearners(): return []\n" + GOOD)
    host = load_plugins()
    assert not host.manager.has_plugin("misspelt")
    assert "misspelt" not in {info.name for info, _ in host.results("freeshot_tracks")}


def test_a_name_claimed_by_two_distributions_loads_neither_and_names_both(install: Install) -> None:
    install("twin", GOOD, dist="freeshot-ann", module="fake_ann")
    install("twin", GOOD, dist="freeshot-bob", module="fake_bob", version="2.0")
    host = load_plugins()
    assert "twin" not in loaded(host)
    assert only_failure(host).reason == (
        "The name 'twin' is claimed by freeshot-ann 1.0 and freeshot-bob 2.0, so neither is loaded. "
        "Uninstall all but one of them."
    )


def test_the_same_distribution_listed_twice_is_not_a_conflict(install: Install) -> None:
    install("good", GOOD, dist="freeshot-good", version="1.0")
    install("good", GOOD, dist="Freeshot_Good", version="1.0.dev0")
    host = load_plugins()
    assert "good" in loaded(host)
    assert not host.failures


@pytest.mark.parametrize(("needs", "verdict"), [("freeshot>=9", "too old"), ("freeshot<0.0.1", "too new")])
def test_for_a_plugin_for_another_version_both_versions_are_named(install: Install, needs: str, verdict: str) -> None:
    install("dated", "raise RuntimeError('must not even be imported')", needs=needs)
    reason = only_failure(load_plugins()).reason
    assert needs in reason
    assert "freeshot 0.1.0" in reason
    assert verdict in reason


@pytest.mark.parametrize("needs", ["freeshot>=0.1,<0.2", "freeshot", "freeshot-other>=9", 'freeshot>=9; extra == "x"'])
def test_a_bound_that_fits_or_concerns_another_package_is_accepted(install: Install, needs: str) -> None:
    install("good", GOOD, needs=needs)
    assert "good" in loaded(load_plugins())


def test_the_environment_limits_the_set(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good", GOOD)
    install("other", GOOD)
    monkeypatch.setenv("FREESHOT_PLUGINS", "good, ")
    assert loaded(load_plugins()) == {"good"}


def test_with_an_empty_environment_variable_no_plugin_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREESHOT_PLUGINS", "")
    assert not load_plugins().loaded


def test_an_unknown_name_in_the_set_is_one_warning(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good", GOOD)
    monkeypatch.setenv("FREESHOT_PLUGINS", "good,goood")
    host = load_plugins()
    assert loaded(host) == {"good"}
    assert "No plugin is called 'goood'. Did you mean 'good'?" in only_failure(host).reason


def test_a_plugin_can_be_excluded(install: Install) -> None:
    install("broken", "import no_such_module")
    host = load_plugins(without=frozenset({"broken"}))
    assert "broken" not in loaded(host)
    assert not host.failures


def test_a_hook_that_raises_is_recorded_and_the_others_return_results(install: Install) -> None:
    install("angry", "@hookimpl\ndef freeshot_tracks(): raise OSError('the disk is gone')")
    install("good", GOOD)
    host = load_plugins()
    assert "good" in {info.name for info, _ in host.results("freeshot_tracks")}
    assert only_failure(host).name == "angry"
    assert "freeshot_tracks raised OSError: the disk is gone" in only_failure(host).reason


def test_a_hook_may_take_fewer_arguments_than_its_specification(install: Install) -> None:
    install("brief", "@hookimpl\ndef freeshot_commands(): return 'heard'")
    results = dict(load_plugins(only=frozenset({"brief"})).results("freeshot_commands", cli=None))
    assert list(results.values()) == ["heard"]


def test_a_failure_is_recorded_once(install: Install) -> None:
    install("angry", "@hookimpl\ndef freeshot_tracks(): raise OSError")
    host = load_plugins()
    list(host.results("freeshot_tracks"))
    list(host.results("freeshot_tracks"))
    assert len(host.failures) == 1


def test_a_module_can_be_registered_explicitly() -> None:
    host = load_plugins(only=frozenset())
    host.register(type("Toy", (), {}), PluginInfo("toy", "freeshot", "0.1.0"))
    assert [info.origin for info in host.loaded] == ["freeshot 0.1.0"]


# --- plugins that are one file ------------------------------------------------------------------

FILE = """
from dataclasses import dataclass
from freeshot import EfficiencyStrategy, hookimpl

@dataclass(frozen=True)
class Half(EfficiencyStrategy):
    \"\"\"Keep the first half.\"\"\"

    name = "half"

@hookimpl
def freeshot_efficiency_strategies():
    return [Half]
"""


def test_a_file_is_a_plugin_named_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "my-strategy.py"
    file.write_text(FILE)
    host = load_plugins()
    host.load_file(file)
    registered = Catalogue(host).registered("strategy", "half")
    assert registered.origin == f"my-strategy.py {hashlib.sha256(FILE.encode()).hexdigest()[:8]}"
    assert pickle.loads(pickle.dumps(registered.value())) == registered.value()  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("a.txt", FILE, "is not a Python file"),
        ("gone.py", None, "cannot be read (No such file or directory)"),
        ("broken.py", "1 / 0", "Plugin 'broken' (broken.py 95baf036): Loading it raised ZeroDivisionError"),
        ("typo.py", FILE.replace("_strategies", "_strategis"), "Did you mean 'freeshot_efficiency_strategies'?"),
        ("toy.py", FILE, "would be the plugin 'toy', but freeshot "),
        ("empty.py", "", "implements no hook of freeshot, but a plugin file must implement at least one"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, name: str, source: str | None, message: str) -> None:
    if source is not None:
        (tmp_path / name).write_text(source)
    host = load_plugins()
    before = host.failures
    with pytest.raises(PluginError) as caught:
        host.load_file(tmp_path / name)
    assert message in str(caught.value)
    assert host.failures == before
    assert not [name for name in sys.modules if name.startswith("freeshot_file_broken")]


def test_a_plugin_that_loads_slowly_is_used_and_named(install: Install) -> None:
    install("slow", f"import time; time.sleep({SLOW + 0.05})\n{GOOD}")
    host = load_plugins(only=frozenset({"slow"}))
    assert loaded(host) == {"slow"}
    assert only_failure(host).line.startswith("Plugin 'slow' (freeshot-slow 1.0): Loading it took 1.")
