"""What is run and what came of it: the spec whose hash is the cell, and the record that explains itself.

Records are JSON files, validated on reading; the field order here is the order in the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from freeshot.basics.errors import StoreError
from freeshot.basics.files import fingerprint, write_text

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1

Status = Literal["ok", "failed", "violated", "skipped"]
DataFree = Literal["strict", "public prior", "real data"]


class Frozen(BaseModel):
    """A closed, immutable schema: an unknown or missing field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Part(Frozen):
    """A component by name, with all its options resolved, and who provides it."""

    kind: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    origin: str = ""
    """'freeshot-reptile 0.3': the distribution that provides it."""
    neutral: tuple[str, ...] = ()
    """Options that came after records were published and stand at what changes nothing; hashes leave them out."""

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write no empty list of neutral options: records from before there were any stay as they are."""
        plain: dict[str, Any] = handler(self)
        return plain if self.neutral else {key: value for key, value in plain.items() if key != "neutral"}

    def identity(self) -> dict[str, Any]:
        """Return what decides numbers, as JSON: name and options, without the neutral ones and the origin."""
        return _without_neutral(self.model_dump(mode="json", exclude={"origin"}))


class TrackSpec(Frozen):
    """The track as it was when the cell ran."""

    name: str
    version: int
    dataset: str
    split: str
    pool: str
    sources: tuple[str, ...]
    way: int
    shot: int
    query: int
    episodes: int
    selection: str
    episodes_sha256: str
    """Hash of the episode list, the same for every method of the track."""


class RunSpec(Frozen):
    """All that decides a cell's numbers; the hash of its canonical JSON is the cell."""

    suite: str
    track: TrackSpec
    method: Part
    parts: dict[str, Part] = Field(default_factory=dict)
    """Sub-components that the method chose by name: option → component."""
    backbone: Part
    seed: int = 0
    limit: int | None = None
    """Episodes really run, where fewer than the track's; such a record is not comparable."""

    @property
    def cell(self) -> str:
        """Hash of everything that decides the numbers."""
        plain = self.model_dump(mode="json")
        plain["method"], plain["backbone"] = _without_neutral(plain["method"]), _without_neutral(plain["backbone"])
        plain["parts"] = {name: _without_neutral(part) for name, part in plain["parts"].items()}
        return fingerprint(plain)

    @property
    def title(self) -> str:
        """Human name of the cell."""
        return f"{self.track.name} · {self.method.name}"


def _without_neutral(part: dict[str, Any]) -> dict[str, Any]:
    """Drop a part's neutral options, and their list."""
    neutral = set(part.get("neutral", ()))
    kept = {name: value for name, value in part["options"].items() if name not in neutral}
    return {key: value for key, value in part.items() if key != "neutral"} | {"options": kept}


class IntervalRecord(Frozen):
    """A mean with its interval, in 0…1."""

    mean: float = Field(ge=0, le=1)
    low: float
    high: float
    level: float = Field(gt=0, lt=1)
    covers: str

    @model_validator(mode="after")
    def _ordered(self) -> IntervalRecord:
        if not self.low <= self.mean <= self.high:
            raise ValueError("an interval must contain its mean")
        return self


class Quality(Frozen):
    """What a mean accuracy does not say: how well scores are calibrated, and which classes are recognised.

    Probabilities are the softmax of a learner's scores; for one that embeds, of minus the distances to the class means.
    """

    ece: float = Field(ge=0, le=1)
    """Expected calibration error in 15 bins of equal width (Guo et al., 2017)."""
    brier: float = Field(ge=0, le=2)
    """Mean squared distance between probabilities and the true class, summed over classes (Brier, 1950)."""
    recall: dict[str, float]
    """Class name → share of its query images that were recognised, over all episodes."""

    @model_validator(mode="after")
    def _shares(self) -> Quality:
        if not all(0 <= value <= 1 for value in self.recall.values()):
            raise ValueError("recalls lie in 0…1")
        return self


class StageCost(Frozen):
    """What one stage cost when it was computed; `cached` if this cell reused it."""

    stage: str
    seconds: float = Field(ge=0)
    peak_bytes: int = Field(ge=0)
    """Peak resident memory of the process (CPU) or of the device during the stage."""
    cached: bool = False
    facts: dict[str, Any] = Field(default_factory=dict)
    """What the stage wants remembered, such as a teacher's accuracy on its own surrogates."""


class Provenance(Frozen):
    """Where and with what a record was made."""

    freeshot: str
    packages: dict[str, str]
    python: str
    platform: str
    device: str
    threads: int
    git_commit: str | None
    git_dirty: bool | None
    finished: str
    """UTC, ISO 8601."""


class Tags(Frozen):
    """How to read a row."""

    tuning_free: bool
    data_free: DataFree
    role: str = "method"


class RunRecord(Frozen):
    """One cell: what was asked, what came out, what it cost, where it was made."""

    schema_version: int = SCHEMA_VERSION
    cell: str
    status: Status
    reason: str = ""
    """Why it failed, was skipped or is void; empty where status is ok."""
    comparable: bool = True
    """False for limited runs; those never enter a leaderboard."""
    spec: RunSpec
    tags: Tags
    interval: IntervalRecord | None = None
    accuracies: list[float] = Field(default_factory=list)
    """One per episode, in the order of the episode list."""
    spreads: tuple[IntervalRecord, ...] = ()
    """Further intervals around the same mean, each of which says what it covers: 'episodes and images'."""
    quality: Quality | None = None
    log_odds: list[float] = Field(default_factory=list)
    """One per episode: the mean over its queries of log((1 − p)/p) of the true class, high where it is hard."""
    looks: int = Field(default=0, ge=0)
    """How often test episodes were scored for this record."""
    stages: list[StageCost] = Field(default_factory=list)
    hashes: dict[str, str] = Field(default_factory=dict)
    """backbone, pool, images, episodes: what the numbers rest on."""
    provenance: Provenance

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write nothing for measures that were not taken: records from before there were any stay as they are."""
        plain: dict[str, Any] = handler(self)
        return {key: value for key, value in plain.items() if value or key not in ("spreads", "quality", "log_odds")}

    @model_validator(mode="after")
    def _consistent(self) -> RunRecord:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema version {self.schema_version} is not {SCHEMA_VERSION}")
        if self.cell != self.spec.cell:
            raise ValueError("the cell's hash does not fit its spec")
        if self.status == "ok":
            expected = self.spec.limit or self.spec.track.episodes
            if self.interval is None or len(self.accuracies) != expected:
                raise ValueError(f"a finished record holds {expected} accuracies and their interval")
            if not all(0 <= a <= 1 for a in self.accuracies):
                raise ValueError("accuracies lie in 0…1")
            if not math.isclose(self.interval.mean, math.fsum(self.accuracies) / expected, abs_tol=1e-9):
                raise ValueError("the mean is not the mean of the accuracies")
            if self.log_odds and len(self.log_odds) != expected:
                raise ValueError(f"there are {len(self.log_odds)} log-odds for {expected} episodes")
        elif not self.reason:
            raise ValueError(f"a record that is {self.status} says why")
        return self

    def write(self, path: Path) -> None:
        """Write the record atomically as readable JSON."""
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read and validate a record; StoreError in one sentence otherwise."""
        from pydantic import ValidationError

        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "record"
            raise StoreError(
                f"{path} is not a valid record ({where}: {first['msg']}). Delete it or run its cell again."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} cannot be read ({error}). Delete it or run its cell again.") from None
