"""Run specs, whose hash identifies a cell, and records, which hold the result of a cell.

Records are JSON files, validated on reading; the field order here is the order in the file.
"""

from __future__ import annotations

import json
import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from freeshot.basics.errors import StoreError
from freeshot.basics.files import PIECE, fingerprint, read_bounded, write_text
from freeshot.basics.text import one_line
from freeshot.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
"""Incremented when a formerly valid record becomes invalid or changes meaning, but not for new optional fields."""
LARGEST = 64 * 2**20
"""Maximal size of a record in bytes; a million episodes take a third of it."""

# far beyond any real record; keeps computations on third-party numbers finite
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(ge=0, le=1)]

LATER = ("indices_sha256", "pool_sha256", "other_pool")
"""Fields of a track that were introduced after records were published."""

Status = Literal["ok", "failed", "violated", "skipped"]
DataFree = Literal["strict", "public prior", "real data"]


class Frozen(BaseModel):
    """A closed, immutable schema: an unknown or missing field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Part(Frozen):
    """A component by name, with all its options resolved, and its provider."""

    kind: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    origin: str = ""
    """'freeshot-reptile 0.3': the distribution that provides it."""
    neutral: tuple[str, ...] = ()
    """Options that were introduced after records were published and have their neutral default; hashes leave them
    out."""

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit an empty list of neutral options, as in records from before it was introduced."""
        plain: dict[str, Any] = handler(self)
        return plain if self.neutral else {key: value for key, value in plain.items() if key != "neutral"}

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine results, as JSON: name and options, without neutral ones and origin."""
        return _without_neutral(self.model_dump(mode="json", exclude={"origin"}))

    def recipe(self) -> dict[str, Any]:
        """Return the fields that determine an artefact: the identity and the providing distribution and version."""
        return self.identity() | {"origin": self.origin}


class TrackSpec(Frozen):
    """The track as it was when the cell ran."""

    name: str
    version: Whole
    dataset: str
    split: str
    pool: str
    sources: tuple[str, ...]
    way: Count
    shot: Count
    query: Count
    episodes: Count
    selection: str
    episodes_sha256: str
    """Hash of the episode list with its images, if both are frozen; the same for every method of the track."""
    indices_sha256: str = ""
    """Hash of the index list alone, if only that is frozen; hashes.episodes covers the images of the user."""
    pool_sha256: str = ""
    """Identity of the pool, if it was built or imported locally and the method needs it."""
    other_pool: str = ""
    """Pool requested instead of the track's, if the method needs one."""

    @property
    def opened_pool(self) -> str:
        """Name of the pool that the method gets."""
        return self.other_pool or self.pool

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine results; later fields only if they are set."""
        return {key: value for key, value in vars(self).items() if value != "" or key not in LATER}

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit later fields unless they are set, as in records from before they were introduced."""
        plain: dict[str, Any] = handler(self)
        return {key: value for key, value in plain.items() if value != "" or key not in LATER}


class RunSpec(Frozen):
    """Everything that determines a cell's results; the hash of its canonical JSON identifies the cell."""

    suite: str
    track: TrackSpec
    method: Part
    parts: dict[str, Part] = Field(default_factory=dict)
    """Components that the method selects by name, recursively: option, 'under.learner' → component."""
    backbone: Part
    seed: Whole = 0
    limit: Count | None = None
    """Number of episodes to run, if fewer than the track's; such a record is not comparable."""

    @property
    def cell(self) -> str:
        """Hash of everything that determines the results."""
        # no JSON dump, which would turn NaN into null and hide it from the hash
        parts = {name: _without_neutral(vars(part)) for name, part in self.parts.items()}
        method, backbone = _without_neutral(vars(self.method)), _without_neutral(vars(self.backbone))
        plain = {"track": self.track.identity(), "method": method, "parts": parts, "backbone": backbone}
        return fingerprint(vars(self) | plain)

    @property
    def title(self) -> str:
        """Readable name of the cell."""
        return f"{self.track.name} · {self.method.name}"

    @property
    def place(self) -> PurePosixPath:
        """Path of the record relative to a results folder; StoreError if a name would lead out of it."""
        pieces = [*filter(None, [self.suite]), *self.track.name.split("/"), self.method.name]
        for piece in pieces:
            if not PIECE.fullmatch(piece):
                raise StoreError(
                    f"'{one_line(self.title)}' of suite '{one_line(self.suite)}' cannot be stored: {one_line(piece)!r} "
                    "is not a valid file name. Rename it in the plugin that provides it."
                )
        return PurePosixPath(*pieces[:-1], f"{pieces[-1]}-{self.cell}.json")


def _without_neutral(part: dict[str, Any]) -> dict[str, Any]:
    """Drop a component's neutral options, and their list."""
    kept = {key: value for key, value in part.items() if key != "neutral"}
    if neutral := set(part.get("neutral", ())):
        kept["options"] = {name: value for name, value in part["options"].items() if name not in neutral}
    return kept


def _without_none(plain: dict[str, Any], *names: str) -> dict[str, Any]:
    """Drop these fields if they are None."""
    return {key: value for key, value in plain.items() if value is not None or key not in names}


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
    """Secondary metrics: calibration of the scores, and recall per class.

    Probabilities are the softmax of a learner's scores; for one that embeds, of the negative distances to the class
    means.
    """

    ece: float = Field(ge=0, le=1)
    """Expected calibration error in 15 bins of equal width (Guo et al., 2017)."""
    brier: float = Field(ge=0, le=2)
    """Mean squared distance between probabilities and the true class, summed over classes (Brier, 1950)."""
    recall: dict[str, Share]
    """Class name → share of its query images classified correctly, over all episodes."""


class StageCost(Frozen):
    """Cost of one stage when it was computed; `cached` if this cell reused it."""

    stage: str
    seconds: Seconds
    peak_bytes: Natural
    """Peak resident memory of the process (CPU) or of the device during the stage."""
    cached: bool = False
    flops: Natural | None = None
    """Floating-point operations executed, two for each multiply-add; None if they were not counted."""
    joules: Seconds | None = None
    """Energy reported by CPU and GPU, including other processes; None if it is not available."""
    learned: Natural | None = None
    """Weights that the stage learned and that are used at test; None if it learns none."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """Further facts of the stage, such as a teacher's accuracy on its own surrogates."""

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit measurements that were not taken, as in records from before they were introduced."""
        return _without_none(handler(self), "flops", "joules", "learned")


class TaskCost(Frozen):
    """Cost of one test task without shared work; its images are already decoded."""

    flops: Natural
    """Floating-point operations, two for each multiply-add."""
    tuned: Natural = 0
    """Weights fitted to the support set."""


class Provenance(Frozen):
    """Software and hardware that produced a record."""

    freeshot: str
    packages: dict[str, str]
    python: str
    platform: str
    device: str
    threads: Whole
    git_commit: str | None
    git_dirty: bool | None
    finished: str
    """UTC, ISO 8601."""


class Tags(Frozen):
    """Properties of a row that readers need to interpret it."""

    tuning_free: bool
    data_free: DataFree
    role: str = "method"
    black_box: bool = False
    """Only the logits of the LoRAs were used, no weights and no gradients."""
    transductive: bool = False
    """The learner uses all queries of an episode jointly; set if it declares so."""

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit later tags unless they are set, as in records from before they were introduced."""
        plain: dict[str, Any] = handler(self)
        return {key: value for key, value in plain.items() if value or key not in ("black_box", "transductive")}


class AuditRecord(Frozen):
    """Changes of predictions when a sample of the episodes was scored again with varied presentation."""

    episodes: Natural
    """Number of episodes scored again."""
    moved: dict[str, Share]
    """Variation, such as 'query order' → share of predictions that changed by more than rounding; for 'batch': share of
    feature vectors."""
    seconds: Seconds
    """Duration of the audit, in addition to the evaluation."""


class RunRecord(Frozen):
    """One cell: its spec, results, costs and provenance."""

    schema_version: Whole = SCHEMA_VERSION
    cell: str
    status: Status
    reason: str = ""
    """Why it failed, was skipped or is void; empty if status is ok."""
    comparable: bool = True
    """False for limited runs and for random weights; those never enter a leaderboard."""
    spec: RunSpec
    tags: Tags
    interval: IntervalRecord | None = None
    accuracies: list[Share] = Field(default_factory=list)
    """One per episode, in the order of the episode list."""
    spreads: tuple[IntervalRecord, ...] = ()
    """Further intervals around the same mean; `covers` names their sources of randomness: 'episodes and images'."""
    quality: Quality | None = None
    log_odds: list[float] = Field(default_factory=list)
    """One per episode: the mean over its queries of log((1 − p)/p) of the true class; high for hard episodes."""
    looks: Natural = 0
    """Number of times test episodes were scored for this record."""
    stages: list[StageCost] = Field(default_factory=list)
    task: TaskCost | None = None
    """None if it was not counted."""
    audit: AuditRecord | None = None
    """None if no audit was made: in records from before audits, and if the run ended earlier."""
    hashes: dict[str, str] = Field(default_factory=dict)
    """backbone, pool, images, episodes: hashes of the inputs."""
    provenance: Provenance

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit measures that were not taken, as in records from before they were introduced."""
        plain: dict[str, Any] = handler(self)
        measured = ("spreads", "quality", "log_odds", "task", "audit")
        return {key: value for key, value in plain.items() if value or key not in measured}

    @model_validator(mode="after")
    def _consistent(self) -> RunRecord:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema version {self.schema_version} is not {SCHEMA_VERSION}")
        if self.cell != self.spec.cell:
            raise ValueError("the cell's hash does not match its spec")
        if self.status == "ok":
            expected = self.spec.limit or self.spec.track.episodes
            if self.interval is None or len(self.accuracies) != expected:
                raise ValueError(f"a finished record needs {expected} accuracies and their interval")
            if not math.isclose(self.interval.mean, math.fsum(self.accuracies) / expected, abs_tol=1e-9):
                raise ValueError("the mean is not the mean of the accuracies")
            if self.log_odds and len(self.log_odds) != expected:
                raise ValueError(f"there are {len(self.log_odds)} log-odds for {expected} episodes")
        elif not self.reason:
            raise ValueError(f"a record with status {self.status} needs a reason")
        return self

    def write(self, path: Path) -> None:
        """Write the record atomically as readable JSON."""
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read and validate a record; StoreError if it is not valid."""
        named, text = one_line(str(path)), ""
        try:
            text = read_bounded(path, LARGEST).decode("utf-8")
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise StoreError(f"{named} {_why_refused(text, error)}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{named} cannot be read ({error}). Delete it or run its cell again.") from None


def _why_refused(text: str, error: ValidationError) -> str:
    """Explain why a record is invalid; a wrong schema version comes first, because it explains other errors."""
    version = _version_of(text)
    if version is not None and version != SCHEMA_VERSION:
        advice = "Update FreeShot" if version > SCHEMA_VERSION else "Read it with the FreeShot that wrote it"
        return (
            f"is a record of schema version {version}, and FreeShot {__version__} reads version {SCHEMA_VERSION}. "
            f"{advice}, or run its cell again."
        )
    first = error.errors(include_input=False, include_url=False)[0]
    where = one_line(".".join(map(str, first["loc"])))[:100] or "record"
    return f"is not a valid record ({where}: {one_line(first['msg'])[:200]}). Delete it or run its cell again."


def _version_of(text: str) -> int | None:
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return version if type(version) is int and abs(version) < 2**63 else None
