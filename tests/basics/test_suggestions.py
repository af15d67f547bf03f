"""The error for an unknown name suggests the nearest known name."""

from __future__ import annotations

from freeshot.basics.errors import FreeshotError
from freeshot.basics.suggestions import FEW, unknown_name


def test_the_nearest_name_is_suggested_and_all_are_listed_in_order() -> None:
    assert str(unknown_name("meta-learner", "reptil", ["reptile", "proto"])) == (
        "No meta-learner is called 'reptil'. Did you mean 'reptile'? Known: proto, reptile."
    )


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert str(unknown_name("track", "zzz", ["proto"])) == "No track is called 'zzz'. Known: proto."


def test_many_names_are_listed_only_where_none_is_near() -> None:
    many = [f"method-{index}" for index in range(FEW + 1)]
    assert str(unknown_name("method", "methd-3", many)) == "No method is called 'methd-3'. Did you mean 'method-3'?"
    assert str(unknown_name("method", "xyz", many)).count("method-") == FEW + 1
    assert "Known: " in str(unknown_name("method", "methd-3", many[1:]))


def test_the_message_states_that_no_name_is_known() -> None:
    assert str(unknown_name("track", "zzz", [])) == "No track is called 'zzz'. No track is known."


def test_a_hint_comes_last() -> None:
    assert str(unknown_name("pool", "x", ["mix"], "Install its plugin.")).endswith("Known: mix. Install its plugin.")


def test_an_unknown_name_is_a_usage_error() -> None:
    error = unknown_name("pool", "x", [])
    assert isinstance(error, FreeshotError)
    assert error.exit_code == 2
