"""Run specs, whose hash identifies a cell, and records, which hold the result of a cell.

Records are JSON files, validated on reading; the field order here is the order in the file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from freeshot.basics.errors import StoreError
from freeshot.basics.files import PIECE, fingerprint, read_bounded, write_text
from freeshot.basics.text import one_line
from freeshot.version import __version__

SCHEMA_VERSION = 2
"""Incremented when a formerly valid record becomes invalid or changes meaning, but not for new optional fields."""
LARGEST = 64 * 2**20
"""Maximal size of a record in bytes; a million episodes take a third of it."""

# far beyond any real record; keeps computations on third-party numbers finite
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Share = Annotated[float, Field(ge=0, le=1)]

Status = Literal["ok", "failed", "violated", "skipped"]
DataFree = Literal["strict", "public prior", "real data"]
Precision = Literal["fp32", "bf16"]


class Frozen(BaseModel):
    """A closed, immutable schema: an unknown or missing field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ComponentSpec(Frozen):
    """A component by name, with all its options resolved, and its provider."""

    kind: str
    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    origin: str = ""
    """'freeshot-reptile 0.3': the distribution that provides it."""
    changed: tuple[str, ...] = ()
    """Options that differ from their defaults; for labels, not part of the hash."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that determine results, as JSON."""
        return self.model_dump(mode="json", include={"kind", "name", "options"})

    def recipe(self) -> dict[str, Any]:
        """Return the fields that determine an artifact: the identity and the providing distribution and version."""
        return self.model_dump(mode="json", exclude={"changed"})

    def hashed(self) -> dict[str, Any]:
        """Return the fields that determine a cell, not as JSON, which would turn NaN into null."""
        return {name: value for name, value in vars(self).items() if name != "changed"}


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
    pool_override: str = ""
    """Pool requested instead of the track's, if the method needs one."""

    @property
    def opened_pool(self) -> str:
        """Name of the pool that the method gets."""
        return self.pool_override or self.pool


class RunSpec(Frozen):
    """Everything that determines a cell's results; the hash of its canonical JSON identifies the cell."""

    suite: str
    track: TrackSpec
    method: ComponentSpec
    components: dict[str, ComponentSpec] = Field(default_factory=dict)
    """Components that the method selects by name, recursively: option, 'base.learner' → component."""
    backbone: ComponentSpec
    seed: Whole = 0
    precision: Precision = "fp32"
    """Of the frozen backbone's passes in inversion, meta-training and embedding; all else is in fp32."""
    limit: Count | None = None
    """Number of episodes to run, if fewer than the track's; such a record is not comparable."""

    @property
    def cell(self) -> str:
        """Hash of everything that determines the results."""
        components = {option: component.hashed() for option, component in self.components.items()}
        method, backbone = self.method.hashed(), self.backbone.hashed()
        plain = {"track": vars(self.track), "method": method, "components": components, "backbone": backbone}
        return fingerprint(vars(self) | plain)

    @property
    def title(self) -> str:
        """Readable name of the cell."""
        return f"{self.track.name} · {self.method.name}"

    @property
    def relative_path(self) -> PurePosixPath:
        """Path of the record relative to a results folder; StoreError if a name would lead out of it."""
        pieces = [*filter(None, [self.suite]), *self.track.name.split("/"), self.method.name]
        for piece in pieces:
            if not PIECE.fullmatch(piece):
                raise StoreError(
                    f"'{one_line(self.title)}' of suite '{one_line(self.suite)}' cannot be stored: {one_line(piece)!r} "
                    "is not a valid file name. Rename it in the plugin that provides it."
                )
        return PurePosixPath(*pieces[:-1], f"{pieces[-1]}-{self.cell}.json")


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
    learned_weights: Natural | None = None
    """Weights that the stage learned and that are used at test; None if it learns none."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """Further facts of the stage, such as a teacher's accuracy on its own surrogates."""


class TaskCost(Frozen):
    """Cost of one test task without shared work; its images are already decoded."""

    flops: Natural
    """Floating-point operations, two for each multiply-add."""
    tuned_weights: Natural = 0
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


class AuditRecord(Frozen):
    """Changes of predictions when a sample of the episodes was scored again with varied presentation."""

    episodes: Natural
    """Number of episodes scored again."""
    changed: dict[str, Share]
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
    """Why it failed, was skipped or is invalid; empty if status is ok."""
    comparable: bool = True
    """False for limited runs and for random weights; those never enter a leaderboard."""
    spec: RunSpec
    tags: Tags
    interval: IntervalRecord | None = None
    accuracies: list[Share] = Field(default_factory=list)
    """One per episode, in the order of the episode list."""
    wider_intervals: tuple[IntervalRecord, ...] = ()
    """Further intervals around the same mean; `covers` names their sources of randomness: 'episodes and images'."""
    quality: Quality | None = None
    log_odds: list[float] = Field(default_factory=list)
    """One per episode: the mean over its queries of log((1 − p)/p) of the true class; high for hard episodes."""
    test_evaluations: Natural = 0
    """Number of times test episodes were scored for this record."""
    stages: list[StageCost] = Field(default_factory=list)
    task_cost: TaskCost | None = None
    """None if it was not counted."""
    audit: AuditRecord | None = None
    """None if the run ended before the audit, or if the record is from before audits were introduced."""
    hashes: dict[str, str] = Field(default_factory=dict)
    """backbone, pool, images, episodes: hashes of the inputs."""
    provenance: Provenance

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
