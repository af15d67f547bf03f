"""What is run and what came of it: the spec whose hash is the cell, and the record that explains itself.

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
"""Rises when a record that was valid no longer is, or means something else; fields that may be absent do not."""
LARGEST = 64 * 2**20
"""Bytes that a record may have; a million episodes take a third of it."""

# bounds that no honest record meets: what is computed from a stranger's numbers stays finite
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(ge=0, le=1)]

LATER = ("indices_sha256", "pool_sha256", "other_pool")
"""Fields of a track that came after records were published."""

Status = Literal["ok", "failed", "violated", "skipped"]
DataFree = Literal["strict", "public prior", "real data"]


class Frozen(BaseModel):
    """A closed, immutable schema: an unknown or missing field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


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

    def recipe(self) -> dict[str, Any]:
        """Return what decides what is made with it: what it is, and whose code of which version makes it."""
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
    """Hash of the episode list with its images, where both are frozen; the same for every method of the track."""
    indices_sha256: str = ""
    """Hash of the list of indices alone, where that is frozen and the images are those found; see hashes.episodes."""
    pool_sha256: str = ""
    """Identity of the pool, where it was built or imported on the spot and the method needs it."""
    other_pool: str = ""
    """Pool that was asked for in place of the track's, where the method needs one."""

    @property
    def opened_pool(self) -> str:
        """Name of the pool that a method is given."""
        return self.other_pool or self.pool

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide numbers; those that came later only where they are set."""
        return {key: value for key, value in vars(self).items() if value != "" or key not in LATER}

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what came later only where it is set: records from before stay as they are."""
        plain: dict[str, Any] = handler(self)
        return {key: value for key, value in plain.items() if value != "" or key not in LATER}


class RunSpec(Frozen):
    """All that decides a cell's numbers; the hash of its canonical JSON is the cell."""

    suite: str
    track: TrackSpec
    method: Part
    parts: dict[str, Part] = Field(default_factory=dict)
    """Components that the method chose by name, and what these chose in turn: option, 'under.learner' → component."""
    backbone: Part
    seed: Whole = 0
    limit: Count | None = None
    """Episodes really run, where fewer than the track's; such a record is not comparable."""

    @property
    def cell(self) -> str:
        """Hash of everything that decides the numbers."""
        # values as they are: a dump as JSON would make null of a NaN, and hide it from the hash
        parts = {name: _without_neutral(vars(part)) for name, part in self.parts.items()}
        method, backbone = _without_neutral(vars(self.method)), _without_neutral(vars(self.backbone))
        plain = {"track": self.track.identity(), "method": method, "parts": parts, "backbone": backbone}
        return fingerprint(vars(self) | plain)

    @property
    def title(self) -> str:
        """Human name of the cell."""
        return f"{self.track.name} · {self.method.name}"

    @property
    def place(self) -> PurePosixPath:
        """Where its record belongs under a results folder; StoreError where a name would lead out of it."""
        pieces = [*filter(None, [self.suite]), *self.track.name.split("/"), self.method.name]
        for piece in pieces:
            if not PIECE.fullmatch(piece):
                raise StoreError(
                    f"'{one_line(self.title)}' of suite '{one_line(self.suite)}' cannot be stored: {one_line(piece)!r} "
                    "is no name for a file. Rename it in the plugin that offers it."
                )
        return PurePosixPath(*pieces[:-1], f"{pieces[-1]}-{self.cell}.json")


def _without_neutral(part: dict[str, Any]) -> dict[str, Any]:
    """Drop a part's neutral options, and their list."""
    kept = {key: value for key, value in part.items() if key != "neutral"}
    if neutral := set(part.get("neutral", ())):
        kept["options"] = {name: value for name, value in part["options"].items() if name not in neutral}
    return kept


def _without_none(plain: dict[str, Any], *names: str) -> dict[str, Any]:
    """Drop these fields where they are None."""
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
    """What a mean accuracy does not say: how well scores are calibrated, and which classes are recognised.

    Probabilities are the softmax of a learner's scores; for one that embeds, of minus the distances to the class means.
    """

    ece: float = Field(ge=0, le=1)
    """Expected calibration error in 15 bins of equal width (Guo et al., 2017)."""
    brier: float = Field(ge=0, le=2)
    """Mean squared distance between probabilities and the true class, summed over classes (Brier, 1950)."""
    recall: dict[str, Share]
    """Class name → share of its query images that were recognised, over all episodes."""


class StageCost(Frozen):
    """What one stage cost when it was computed; `cached` if this cell reused it."""

    stage: str
    seconds: Seconds
    peak_bytes: Natural
    """Peak resident memory of the process (CPU) or of the device during the stage."""
    cached: bool = False
    flops: Natural | None = None
    """Floating-point operations as they were run, two for each multiply-add; None where they were not counted."""
    joules: Seconds | None = None
    """Energy that processor and graphics card say they took, with all else that ran on them; None where they do not."""
    learned: Natural | None = None
    """Weights that the stage learned and that are used at test; None where it learns none."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What the stage wants remembered, such as a teacher's accuracy on its own surrogates."""

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write nothing for what was not counted: records from before it was stay as they are."""
        return _without_none(handler(self), "flops", "joules", "learned")


class TaskCost(Frozen):
    """What one test task costs, its images decoded, nothing shared with other tasks."""

    flops: Natural
    """Floating-point operations, two for each multiply-add."""
    tuned: Natural = 0
    """Weights that are fitted to the support set."""


class Provenance(Frozen):
    """Where and with what a record was made."""

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
    """How to read a row."""

    tuning_free: bool
    data_free: DataFree
    role: str = "method"
    black_box: bool = False
    """The LoRAs answered as services do and showed no weights and no gradients."""
    transductive: bool = False
    """The learner looks at all queries of an episode together; set where it declares so."""

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write later tags only where they are set: records from before they existed stay as they are."""
        plain: dict[str, Any] = handler(self)
        return {key: value for key, value in plain.items() if value or key not in ("black_box", "transductive")}


class AuditRecord(Frozen):
    """How far predictions moved when a sample of the episodes was scored again, shown differently."""

    episodes: Natural
    """Episodes that were scored again."""
    moved: dict[str, Share]
    """What was changed, such as 'query order' → share of predictions that moved by more than rounding; of 'batch':
    share of feature vectors."""
    seconds: Seconds
    """What the audit took, beside the cost of the evaluation."""


class RunRecord(Frozen):
    """One cell: what was asked, what came out, what it cost, where it was made."""

    schema_version: Whole = SCHEMA_VERSION
    cell: str
    status: Status
    reason: str = ""
    """Why it failed, was skipped or is void; empty where status is ok."""
    comparable: bool = True
    """False for limited runs and for random weights; those never enter a leaderboard."""
    spec: RunSpec
    tags: Tags
    interval: IntervalRecord | None = None
    accuracies: list[Share] = Field(default_factory=list)
    """One per episode, in the order of the episode list."""
    spreads: tuple[IntervalRecord, ...] = ()
    """Further intervals around the same mean, each of which says what it covers: 'episodes and images'."""
    quality: Quality | None = None
    log_odds: list[float] = Field(default_factory=list)
    """One per episode: the mean over its queries of log((1 − p)/p) of the true class, high where it is hard."""
    looks: Natural = 0
    """How often test episodes were scored for this record."""
    stages: list[StageCost] = Field(default_factory=list)
    task: TaskCost | None = None
    """None where it was not counted."""
    audit: AuditRecord | None = None
    """None where no audit was made: in records from before there was one, and where none was reached."""
    hashes: dict[str, str] = Field(default_factory=dict)
    """backbone, pool, images, episodes: what the numbers rest on."""
    provenance: Provenance

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write nothing for measures that were not taken: records from before there were any stay as they are."""
        plain: dict[str, Any] = handler(self)
        measured = ("spreads", "quality", "log_odds", "task", "audit")
        return {key: value for key, value in plain.items() if value or key not in measured}

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
        named, text = one_line(str(path)), ""
        try:
            text = read_bounded(path, LARGEST).decode("utf-8")
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise StoreError(f"{named} {_why_refused(text, error)}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{named} cannot be read ({error}). Delete it or run its cell again.") from None


def _why_refused(text: str, error: ValidationError) -> str:
    """Say what is wrong with a record; its version first, because that explains all else."""
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
