"""Turn a request into a list of cells, with every name and value validated before anything runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from freeshot.basics.errors import ContractError, OptionError
from freeshot.basics.suggestions import unknown_name
from freeshot.contracts.component import Choice, options_of
from freeshot.contracts.launcher import Launcher
from freeshot.contracts.method import Method
from freeshot.contracts.tracks import Profile, Row, Track
from freeshot.launch.request import MethodChoice, RunRequest
from freeshot.pipeline.resolve import PlannedCell, backbone_spec, resolve_cell, resolve_component, with_pool
from freeshot.plugin.catalogue import Catalogue
from freeshot.records.store import is_finished, stored_record

FULL = "full"
SIZES = ("iterations", "cycle", "warmup")
"""Options of a profile that have the same meaning in every component."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The cells of a run; cells that share work are adjacent."""

    cells: tuple[PlannedCell, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Instructions to build the missing pools of the cells to run."""
        return tuple(dict.fromkeys(cell.missing for cell in self.cells if cell.missing and cell.state == "todo"))


def plan_run(request: RunRequest, catalogue: Catalogue) -> Plan:
    """Resolve a request into cells."""
    launcher_of(request, catalogue)  # reports a wrong name or option early
    suite_name, profile = _profile(request, catalogue)
    tracks = _tracks(request, catalogue, profile)
    pairs = _pairs(_rows(request, catalogue, profile), tracks, catalogue)
    request = replace(
        request, backbone=request.backbone or profile.backbone or None, pool=request.pool or profile.pool or None
    )
    limit = request.limit or profile.limit
    cells = [
        _cell(request, catalogue, suite_name, row, track, seed, limit)
        for (row, track), seed in itertools.product(pairs, request.seeds or profile.seeds)
    ]
    return Plan(tuple(cells))


def _pairs(rows: Sequence[Row], tracks: Sequence[Track], catalogue: Catalogue) -> list[tuple[Row, Track]]:
    """Pair each row with its tracks; OptionError if none of them is among the tracks of the run."""
    pairs = []
    for row in rows:
        own = {track.name for track in catalogue.match_tracks(row.tracks)} if row.tracks else None
        pairs += [(row, track) for track in tracks if own is None or track.name in own]
    if rows and tracks and not pairs:
        raise OptionError(
            f"The profile runs its row of '{rows[0].method}' only on {', '.join(rows[0].tracks)}. Choose such a track."
        )
    return pairs


def launcher_of(request: RunRequest, catalogue: Catalogue) -> Launcher:
    """Construct the requested launcher."""
    launcher: Any = resolve_component(catalogue, "launcher", request.launcher, given_options(request.launcher_options))[
        1
    ]
    return launcher  # type: ignore[no-any-return]


def _profile(request: RunRequest, catalogue: Catalogue) -> tuple[str, Profile]:
    """Return the suite's profile; without a suite, tracks and methods must be given."""
    if request.suite is None:
        if not (request.tracks and request.methods):
            raise OptionError("Nothing to run: give a suite ('freeshot run pocket'), or both --track and --method.")
        if request.profile is not None:
            raise OptionError(f"A profile needs a suite. Use 'freeshot run SUITE --profile {request.profile}'.")
        return "custom", Profile(())
    suite = catalogue.suite(request.suite)
    name = request.profile or FULL
    if name not in suite.profiles:
        raise unknown_name(f"profile of '{suite.name}'", name, suite.profiles)
    return suite.name, suite.profiles[name]


def _tracks(request: RunRequest, catalogue: Catalogue, profile: Profile) -> tuple[Track, ...]:
    """Match the requested tracks; optional ones only by full name, or if the suite includes them."""
    if request.suite is not None:
        suite = catalogue.suite(request.suite)
        of_suite = catalogue.match_tracks(suite.tracks)
        patterns = request.tracks or (suite.tracks if profile.tracks == ("*",) else profile.tracks)
        chosen = tuple(
            track
            for track in catalogue.match_tracks(patterns)
            if track in of_suite and (suite.manual_download or not track.optional or track.name in request.tracks)
        )
        if not chosen:
            names = ", ".join(request.tracks)
            raise OptionError(f"Suite '{suite.name}' has no track that matches {names}. See 'freeshot list tracks'.")
        return chosen
    return tuple(t for t in catalogue.match_tracks(request.tracks) if not t.optional or t.name in request.tracks)


def _rows(request: RunRequest, catalogue: Catalogue, profile: Profile) -> tuple[Row, ...]:
    """Return the profile's rows, or those of the requested methods, with the profile's options if it has them."""
    rows = tuple(_chosen_row(method, profile, catalogue) for method in request.methods) or profile.rows
    given = given_options(request.options)
    fitting = [_overridden(row, given, profile.rows, catalogue) for row in rows]
    unused = set(given) - {key for row in fitting for key in row.options}
    if unused:
        names = {name for row in rows for name in options_of(catalogue.component("method", row.method))}
        raise unknown_option(min(unused), names)
    return tuple(fitting)


def _chosen_row(method: str | MethodChoice, profile: Profile, catalogue: Catalogue) -> Row:
    """Return a method's row of the profile, or one of its defaults, with its own options on top."""
    chosen = method if isinstance(method, MethodChoice) else MethodChoice(method)
    row = next((row for row in profile.rows if row.method == chosen.name), Row(chosen.name))
    own = dict(chosen.options)
    row = _overridden(row, own, profile.rows, catalogue)
    if unused := own.keys() - row.options.keys():
        known = options_of(catalogue.component("method", chosen.name))
        raise unknown_name(f"option of '{chosen.name}'", min(unused), known)
    return row


def row_for(method: str, options: Sequence[str], rows: Sequence[Row], catalogue: Catalogue) -> Row:
    """Return a method's row with the given options ('key=value'), on top of those of its row among `rows`, if any."""
    return _rows(RunRequest(methods=(method,), options=tuple(options)), catalogue, Profile(tuple(rows)))[0]


def tracks_for(suite: str | None, patterns: Sequence[str], catalogue: Catalogue) -> tuple[Track, ...]:
    """Return the tracks of a suite, or of patterns, or of both, as `freeshot run` selects them."""
    from freeshot.launch.request import RunRequest

    return _tracks(RunRequest(suite=suite, tracks=tuple(patterns)), catalogue, Profile(()))


def unknown_option(name: str, known: Iterable[str]) -> OptionError:
    """Build the error for an option that no method of the run has, with the nearest match."""
    nearest = get_close_matches(name.partition(".")[0], sorted(known), n=1, cutoff=0.5)
    guess = f"Did you mean '{nearest[0]}'? " if nearest else ""
    return OptionError(f"No method of this run has an option '{name}'. {guess}See 'freeshot show METHOD' for all.")


def given_options(pairs: Sequence[str]) -> dict[str, str]:
    """Split 'key=value' texts; OptionError if one is malformed."""
    given = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise OptionError(f"Invalid option '{pair}': expected KEY=VALUE, for example -o learner=reptile.")
        given[key] = value
    return given


def _overridden(row: Row, given: Mapping[str, Any], rows: Sequence[Row], catalogue: Catalogue) -> Row:
    """Set the given options that this row's method has; a newly chosen component starts from its own defaults."""
    fields = options_of(catalogue.component("method", row.method))
    own_options = {key: value for key, value in given.items() if key.partition(".")[0] in fields}
    chosen_anew = {key for key in own_options if "." not in key and isinstance(fields[key].default, Choice)}
    kept = {key: value for key, value in row.options.items() if _still_fits(key, row, own_options, chosen_anew)}
    sizes = _sizes_of_profile(row, own_options, chosen_anew, fields, catalogue)
    base = {name: own_options[name] for name in chosen_anew if fields[name].default.kind == "method"}
    return replace(row, options={**sizes, **kept, **_base_options(base, rows), **own_options})


def _still_fits(key: str, row: Row, own_options: Mapping[str, Any], anew: set[str]) -> bool:
    """Return whether a profile's option still belongs to the component it was written for."""
    stem = key.partition(".")[0]
    return stem not in anew or row.options.get(stem) == own_options[stem]


def _base_options(methods: Mapping[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    """Give the base method the profile's options instead of its paper defaults."""
    own = {row.method: row.options for row in reversed(rows)}
    return {f"{option}.{key}": value for option, name in methods.items() for key, value in own.get(name, {}).items()}


def _sizes_of_profile(
    row: Row, own_options: Mapping[str, Any], anew: set[str], fields: Mapping[str, Any], catalogue: Catalogue
) -> dict[str, Any]:
    """Apply a profile's sizes to a newly chosen component that has options of the same name.

    So a third-party meta-learner that inherits `iterations` runs at the profile's size, not the paper's; its learning
    rate may have another meaning and keeps its default.
    """
    sizes: dict[str, Any] = {}
    for name in anew:
        choice = Choice(fields[name].default.kind, str(own_options[name]))
        component_fields = options_of(catalogue.component(choice.kind, choice.name)) if choice.selects else {}
        for key, value in row.options.items():
            stem, _, option = key.partition(".")
            if stem == name and option in SIZES and option in component_fields:
                sizes[key] = value
    return sizes


def _cell(
    request: RunRequest, catalogue: Catalogue, suite: str, row: Row, track: Track, seed: int, limit: int | None
) -> PlannedCell:
    backbone = backbone_spec(catalogue, request.backbone or track.backbone)
    cell, method = resolve_cell(
        catalogue, suite, row, track, seed=seed, limit=limit, backbone=backbone, precision=request.precision
    )
    cell = with_pool(cell, request.pool, catalogue, request.pools)
    if not request.rerun and is_finished(stored_record(request.results, cell.spec)):
        return replace(cell, state="done", reason="finished; --rerun runs it again", missing="")
    if reason := _why_skipped(method, cell.track):
        return replace(cell, state="skip", reason=reason)
    return cell


def _why_skipped(method: Method, track: Track) -> str | None:
    try:
        return method.skip(track)
    except Exception as error:
        raise ContractError(
            f"Method '{method.name}' failed in skip('{track.name}'): {type(error).__name__}: {error}"
        ) from error
