"""Options of components: parsing from strings, checking against field types, and conversion to JSON."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import math
import textwrap
import types
import typing
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from freeshot.basics.errors import OptionError
from freeshot.basics.suggestions import unknown_name
from freeshot.contracts.component import Choice, Component

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", bound=Component)

UNFIT = (ValueError, TypeError, AttributeError, LookupError, OverflowError)
"""Exceptions raised when a value of the wrong type is converted."""


@dataclass(frozen=True)
class Option:
    """One option of a component, as printed by `freeshot show`."""

    name: str
    type: Any
    default: Any
    help: str


@cache
def options_of(cls: type[Component]) -> dict[str, Option]:
    """List the options of a component class: its dataclass fields, inherited ones included."""
    if "__dataclass_params__" not in vars(cls) and not inspect.isabstract(cls):
        raise OptionError(f"{cls.__name__} is not a dataclass. Put @dataclass(frozen=True) above it.")
    hints = get_type_hints(cls, localns={"Choice": Choice})
    helps = _field_helps(cls)
    found: dict[str, Option] = {}
    for field in dataclasses.fields(cls):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING:
            raise OptionError(f"Option '{field.name}' of {cls.__name__} has no default. Give it one.")
        found[field.name] = Option(field.name, hints[field.name], default, helps.get(field.name, ""))
    return found


def build(cls: type[T], values: Mapping[str, Any]) -> T:
    """Construct a component from option values, strings or JSON, each checked against its field's type."""
    options = options_of(cls)
    fields: dict[str, Any] = {}
    for key, value in sorted(values.items(), key=lambda pair: pair[0].count(".")):
        name, dot, rest = key.partition(".")
        if name not in options:
            raise OptionError(str(unknown_name(f"option of '{cls.name}'", name, options)))
        option = options[name]
        if dot:
            chosen = fields.get(name, option.default)
            if not isinstance(chosen, Choice):
                raise OptionError(
                    f"Option '{name}' of '{cls.name}' takes a plain value and has no sub-options, but got '{key}'."
                )
            fields[name] = chosen.with_options(**{rest: value})
        else:
            fields[name] = _convert(value, option, cls.name)
    try:
        return cls(**fields)
    except (ValueError, TypeError) as error:  # from a component's own __post_init__
        raise OptionError(f"'{cls.name}' refuses its options: {error}") from error


def name_and_options(text: str) -> tuple[str, dict[str, str]]:
    """Split 'clip-vit-b16:normalize=own,scale=l2' into name and options; OptionError if an option is malformed."""
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise OptionError(
                f"Invalid option '{pair}' in '{text}': expected NAME:KEY=VALUE,KEY=VALUE, as in timm:side=224."
            )
        options[key] = value
    return name, options


def spelled(component: Component) -> str:
    """Format a component for `name_and_options`: its name, and the options that differ from their defaults."""
    defaults = {name: option.default for name, option in options_of(type(component)).items()}
    changed = [f"{name}={getattr(component, name)}" for name in defaults if getattr(component, name) != defaults[name]]
    return f"{component.name}:{','.join(changed)}" if changed else component.name


def to_json(component: Component) -> dict[str, Any]:
    """Return all options of a component as JSON values; `build(cls, to_json(c)) == c`."""
    return {name: _jsonable(getattr(component, name)) for name in options_of(type(component))}


def neutral_options(component: Component) -> tuple[str, ...]:
    """List the options that were added later and have their neutral default value."""
    fields = (field for field in dataclasses.fields(component) if field.metadata.get("added"))
    return tuple(field.name for field in fields if getattr(component, field.name) == field.default)


def describe_type(hint: Any) -> str:
    """Describe an option's type for users."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(map(str, args))
    if origin in (Union, types.UnionType):
        return " | ".join(describe_type(a) for a in args)
    if origin in (tuple, list):
        return f"list of {describe_type(args[0])}"
    if hint is Choice:
        return "component name"
    return "none" if hint is type(None) else getattr(hint, "__name__", str(hint))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Choice):
        return {"name": value.name, "options": {k: _jsonable(v) for k, v in value.options}}
    if isinstance(value, (tuple, list)):
        return [_jsonable(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    return value


def _convert(value: Any, option: Option, owner: str) -> Any:
    try:
        return _as(value, option.type, option.default)
    except UNFIT:
        raise OptionError(
            f"Option '{option.name}' of '{owner}' cannot be {value!r}; expected {describe_type(option.type)}, "
            f"for example {_jsonable(option.default)!r}."
        ) from None


def _as(value: Any, hint: Any, default: Any) -> Any:
    """Convert a value to a type; ValueError if that is not possible."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Choice:
        return _choice(value, default)
    if origin is Literal:
        return next(a for a in args if str(a) == str(value)) if str(value) in map(str, args) else _refuse()
    if origin in (Union, types.UnionType):
        return _first_fitting(value, args)
    if hint is type(None):
        return None if value is None or value in ("none", "null") else _refuse()
    if origin in (tuple, list):
        items = _split(value) if isinstance(value, str) else list(value)
        return origin(_as(item, args[0], None) for item in items)
    if origin is dict:
        pairs = json.loads(value) if isinstance(value, str) else dict(value)
        return {_as(k, args[0], None): _as(v, args[1], None) for k, v in pairs.items()}
    if hint is bool:
        return _bool(value)
    if hint is int:
        number = int(str(value).replace("_", ""))
        return number if not isinstance(value, (bool, float)) else _refuse()
    if hint is float:
        number_ = float(value) if not isinstance(value, bool) else _refuse()
        return number_ if math.isfinite(number_) else _refuse()
    if hint is str:
        return value if isinstance(value, str) else _refuse()
    return value


def _choice(value: Any, default: Any) -> Choice:
    kind = default.kind
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        return default if value == default.name else Choice(kind, value)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in value.get("options", {}).items()}
    return Choice(kind, value["name"], tuple(sorted(options.items())))


def _first_fitting(value: Any, hints: tuple[Any, ...]) -> Any:
    for hint in sorted(hints, key=lambda h: h is not type(None)):
        try:
            return _as(value, hint, None)
        except UNFIT:
            continue
    return _refuse()


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    return words[value.lower()] if isinstance(value, str) and value.lower() in words else _refuse()


def _split(text: str) -> list[str]:
    inner = text.strip().strip("[]()")
    return [piece.strip() for piece in inner.split(",") if piece.strip()]


def _refuse() -> Any:
    raise ValueError


@cache
def _field_helps(cls: type) -> dict[str, str]:
    """Collect the strings under the fields of a class and its bases."""
    helps: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            helps |= _own_helps(base)
    return helps


def _own_helps(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
        body = typing.cast("ast.ClassDef", ast.parse(source).body[0]).body
    except (OSError, TypeError, SyntaxError):
        return {}  # a class defined in a REPL has no source, so its options have no help
    helps: dict[str, str] = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            helps[ast.unparse(field.target)] = " ".join(inspect.cleandoc(str(text.value.value)).split())
    return helps
