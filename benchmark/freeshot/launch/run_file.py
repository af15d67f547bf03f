"""Run files: the arguments of `freeshot run` as TOML, read strictly, and written beside the results of a run.

suite = "pocket"
tracks = "in-domain/*"
methods = ["lora-recycle", {name = "free", iterations = 200, "inversion.steps" = 50}]

[launcher]
name = "local"
workers = 2
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from freeshot.basics.errors import FreeshotError, OptionError
from freeshot.basics.files import fingerprint, read_bounded, write_text
from freeshot.basics.suggestions import unknown_name
from freeshot.basics.text import first_problem
from freeshot.launch.request import MethodChoice, RunRequest, option_texts
from freeshot.records.models import Count, Whole

LARGEST = 2**20
"""Maximal size of a run file in bytes."""
FOLDER = "runs"
"""Subfolder of the results folder for the files of finished runs."""
FOLDERS = ("results", "cache", "data", "pools")


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Named(BaseModel):
    """A method or launcher by name; all other keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: str


FilePath = Annotated[str, Field(pattern=r"^[^\x00]+$")]
NamedTable = Annotated[Named, BeforeValidator(_named)]


class RunFile(BaseModel):
    """The keys of a run file; they mean what the options of `freeshot run` mean, and one value may stand for a list."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    suite: str | None = None
    profile: str | None = None
    tracks: Annotated[list[str], BeforeValidator(_listed)] = []
    """Patterns of track names."""
    methods: Annotated[list[NamedTable], BeforeValidator(_listed)] = []
    """Names, or tables of a name and options; options of components have dotted keys or tables of their own."""
    options: dict[str, Any] = {}
    """Options for every method that has them."""
    backbone: str | None = None
    pool: str | None = None
    seeds: Annotated[list[Whole], BeforeValidator(_listed)] = []
    limit: Count | None = None
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    results: FilePath = "results"
    """Folders are relative to the current directory, as on the command line."""
    cache: FilePath = ".freeshot"
    data: FilePath = "data"
    pools: FilePath = "pools"
    launcher: NamedTable = Named(name="local")
    """A name, or a table of a name and options."""
    plugins: Annotated[list[FilePath], BeforeValidator(_listed)] = []
    """Files of plugins to load."""
    save_predictions: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the values that the file sets as arguments of a RunRequest, and 'plugins' as paths."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        values |= {name: tuple(values[name]) for name in ("tracks", "seeds") if name in values}
        values |= {name: Path(values[name]) for name in FOLDERS if name in values}
        if "methods" in values:
            values["methods"] = tuple(_choice(method) for method in self.methods)
        if "options" in values:
            values["options"] = option_texts(self.options)
        if "launcher" in values:
            values["launcher"] = self.launcher.name
            values["launcher_options"] = option_texts(self.launcher.model_extra or {})
        if "plugins" in values:
            values["plugins"] = tuple(map(Path, self.plugins))
        return values


def _choice(method: Named) -> str | MethodChoice:
    return MethodChoice.of(method.name, method.model_extra) if method.model_extra else method.name


def read_run_file(file: Path) -> dict[str, Any]:
    """Read a run file: the arguments of a RunRequest that it sets, and 'plugins' as paths.

    OptionError states what is wrong with the file; for invalid TOML, in which line and column.
    """
    try:
        content = tomllib.loads(read_bounded(file, LARGEST).decode("utf-8"))
    except OSError as error:
        raise OptionError(f"{file} cannot be read ({error.strerror or error}). Use an existing run file.") from None
    except UnicodeDecodeError:
        raise OptionError(f"{file} is not encoded in UTF-8. Save it in that encoding.") from None
    except (ValueError, RecursionError) as error:
        raise OptionError(f"{file} is not valid TOML: {str(error).rstrip('.')}. Correct it there.") from None
    unknown = content.keys() - RunFile.model_fields.keys()
    if unknown:
        raise OptionError(f"{file}: {unknown_name('key of a run file', min(unknown), RunFile.model_fields)}")
    try:
        return RunFile.model_validate(content).arguments()
    except ValidationError as error:
        raise OptionError(f"{file} is not a valid run file ({first_problem(error)}). Correct that value.") from None
    except FreeshotError as error:
        raise OptionError(f"{file}: {error}") from None
    except RecursionError:  # dotted keys nest without limit
        raise OptionError(f"{file} has tables that are nested too deeply. Options have one or two levels.") from None


def save_run_file(request: RunRequest, plugins: Sequence[Path] = ()) -> Path | None:
    """Write the file that repeats a run into the results folder, and return its path.

    The name depends on the content, so that a repeated run leaves one file. TOML cannot hold a path that is not valid
    UTF-8; then nothing is written and None is returned.
    """
    text = run_file_text(request, plugins)
    try:
        path = request.results / FOLDER / f"{request.suite or 'custom'}-{fingerprint(text, 8)}.toml"
        if not path.exists():
            write_text(path, text)
    except UnicodeEncodeError:
        return None
    return path


def run_file_text(request: RunRequest, plugins: Sequence[Path] = ()) -> str:
    """Return the run file of a request: every argument that differs from its default, except `rerun`."""
    values = {f.name: getattr(request, f.name) for f in fields(request) if f.name != "rerun"}
    defaults = vars(RunRequest())
    lines = ["# Repeat this run with 'freeshot run FILE'."]
    launcher = dict(pair.split("=", 1) for pair in values.pop("launcher_options"))
    options = dict(pair.split("=", 1) for pair in values.pop("options"))
    name = values.pop("launcher")
    for key, value in (values | {"plugins": tuple(plugins)}).items():
        if value != defaults.get(key, ()):
            lines.append(f"{key} = {_toml(value)}")
    if options:
        lines += ["", "[options]", *_table(options)]
    if launcher or name != RunRequest.launcher:
        lines += ["", "[launcher]", *_table({"name": name, **launcher})]
    return "\n".join(lines) + "\n"


def _table(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(key)} = {_toml(value)}" for key, value in values.items())


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else _toml(key)


def _toml(value: Any) -> str:
    """Format a value as TOML."""
    if isinstance(value, MethodChoice):
        return "{" + ", ".join(_table({"name": value.name, **dict(value.options)})) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")  # the same escapes as in JSON
