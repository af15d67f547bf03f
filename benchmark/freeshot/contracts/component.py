"""Components: frozen dataclasses whose fields are their options, which come as text, are checked, and become JSON.

A field defines default, type, command-line option, help text, and its entry in run hash and record. The string
under a field is its help, as printed by `freeshot show NAME`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
import types
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from freeshot.basics.errors import OptionError
from freeshot.basics.suggestions import unknown_name

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T", bound="Component")
UNIONS = (Union, types.UnionType)


@dataclass(frozen=True)
class Component(ABC):
    """Base class of everything a plugin contributes as a class."""

    kind: ClassVar[str]
    """Set by each interface: 'method', 'meta-learner', …"""
    name: ClassVar[str] = ""
    """Lower-case with hyphens; selects the component on the command line."""
    citation: ClassVar[str] = ""
    """The source of the method or data, as a citation."""
    paper_url: ClassVar[str] = ""
    """'https://arxiv.org/abs/2412.02220': where the paper can be read."""
    code_url: ClassVar[str] = ""
    """'https://github.com/OWNER/NAME': the authors' own code."""

    def require_ready(self) -> None:
        """Raise a FreeshotError if a required file or package is missing; called before a run starts."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


@dataclass(frozen=True)
class Choice:
    """A component selected by name, with its own options: `-o learner=reptile -o learner.pace=0.2`."""

    kind: str
    """Kind of the component, 'meta-learner'."""
    name: str
    """Name of the component, 'reptile'."""
    options: tuple[tuple[str, object], ...] = ()
    """Sorted (option, value) pairs that differ from the component's defaults."""

    @property
    def selects(self) -> bool:
        """Whether it selects a component; the base method 'none' does not."""
        return (self.kind, self.name) != ("method", "none")

    def with_options(self, **options: object) -> Choice:
        """Return a copy with these options set."""
        merged = dict(self.options) | options
        return Choice(self.kind, self.name, tuple(sorted(merged.items())))


@dataclass(frozen=True)
class Option:
    """One option of a component, as printed by `freeshot show`."""

    name: str
    type: Any
    default: Any
    owner: type[Component]

    @property
    def help(self) -> str:
        """The string under the field, on one line; read only when it is shown, because parsing sources is slow."""
        return _field_helps(self.owner).get(self.name, "")


@cache
def options_of(cls: type[Component]) -> dict[str, Option]:
    """List the options of a component class: its dataclass fields, inherited ones included."""
    if "__dataclass_params__" not in vars(cls) and not inspect.isabstract(cls):
        raise OptionError(f"{cls.__name__} is not a dataclass. Put @dataclass(frozen=True) above it.")
    hints = get_type_hints(cls, localns={"Choice": Choice})
    options: dict[str, Option] = {}
    for item in dataclasses.fields(cls):
        default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        if default is dataclasses.MISSING:
            raise OptionError(f"Option '{item.name}' of {cls.__name__} has no default. Give it one.")
        options[item.name] = Option(item.name, hints[item.name], default, cls)
    return options


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
    changed = [f"{name}={getattr(component, name)}" for name in changed_options(component)]
    return f"{component.name}:{','.join(changed)}" if changed else component.name


def changed_options(component: Component) -> tuple[str, ...]:
    """List the options that differ from their defaults."""
    options = options_of(type(component)).values()
    return tuple(option.name for option in options if getattr(component, option.name) != option.default)


def to_json(component: Component) -> dict[str, Any]:
    """Return all options of a component as JSON values; `build(cls, to_json(c)) == c`."""
    return {name: _jsonable(getattr(component, name)) for name in options_of(type(component))}


def describe_type(hint: Any) -> str:
    """Describe an option's type for users."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " | ".join(map(str, args))
    if origin in UNIONS:
        return " | ".join(describe_type(a) for a in args)
    if origin in (tuple, list):
        return f"list of {describe_type(args[0])}"
    if hint is Choice:
        return "component name"
    return "none" if hint is type(None) else getattr(hint, "__name__", str(hint))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Choice):
        return {"name": value.name, "options": {k: _jsonable(v) for k, v in value.options}}
    return [_jsonable(v) for v in value] if isinstance(value, (tuple, list)) else value


def _convert(value: Any, option: Option, owner: str) -> Any:
    """Return an option's value in its field's type: strings as users write them, other values strictly, as in JSON."""
    try:
        if option.type is Choice:
            return _choice(value, option.default)
        if isinstance(value, str):
            return _adapter(option.type).validate_python(_split(value, option.type))
        return _adapter(option.type).validate_json(json.dumps(value), strict=True)  # where a list is a tuple's value
    except (ValueError, TypeError, LookupError):
        raise OptionError(
            f"Option '{option.name}' of '{owner}' cannot be {value!r}; expected {describe_type(option.type)}, "
            f"for example {_jsonable(option.default)!r}."
        ) from None


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter  # 0.2 s, which `freeshot list` does not need

    return TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))


def _split(text: str, hint: Any) -> Any:
    """Split lists, parse JSON objects, and recognise 'none' and values of a Literal; pydantic reads all other text."""
    origin, args = get_origin(hint), get_args(hint)
    if type(None) in args and text in ("none", "null"):
        return None
    if origin in UNIONS:
        return next((value for arg in args if (value := _split(text, arg)) != text), text)
    if origin is Literal:
        return next((arg for arg in args if str(arg) == text), text)
    if origin in (tuple, list):
        return [piece.strip() for piece in text.strip().strip("[]()").split(",") if piece.strip()]
    return json.loads(text) if origin is dict else text


def _choice(value: Any, default: Choice) -> Choice:
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        return default if value == default.name else Choice(default.kind, value)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(value).get("options", {}).items()}
    return Choice(default.kind, value["name"], tuple(sorted(options.items())))


@cache
def _field_helps(cls: type) -> dict[str, str]:
    """Collect the strings under the fields of a class and its bases; a class defined in a REPL has no source."""
    helps: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            statement = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        for item, text in pairwise(getattr(statement, "body", ())):
            if isinstance(item, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                helps[ast.unparse(item.target)] = " ".join(inspect.cleandoc(str(text.value.value)).split())
    return helps
