"""Detect changes that a method must not make: to the frozen network, the pool, or the scoring functions.

A snapshot is taken before the method prepares and compared after each step. Replaced functions are restored, so that
one plugin cannot change the scores of later cells in the same process.
"""

from __future__ import annotations

import builtins
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from freeshot.basics.errors import ContractError
from freeshot.engine.vit.backbone import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from freeshot.contracts.method import Method
    from freeshot.engine.vit.backbone import Backbone
    from freeshot.pipeline.context import RunContext
    from freeshot.records.models import RunSpec

WATCHED = (torch, torch.nn.functional, torch.linalg, torch.Tensor, torch.nn.Module, np, np.random, builtins, hashlib)
"""Third-party namespaces whose functions are used in scoring."""
DESCRIPTORS = (staticmethod, classmethod, property)


@dataclass(frozen=True, eq=False)
class Watched:
    """The original state of one function or class of a namespace."""

    owner: Any
    name: str
    value: Any
    function: FunctionType | None
    """The Python function behind the value, if there is one."""
    code: Any
    """Its code and defaults, which can be replaced without replacing the object."""

    @property
    def title(self) -> str:
        """Dotted name, such as 'torch.argmax'."""
        home = "" if isinstance(self.owner, ModuleType) else f"{self.owner.__module__}."
        return f"{home}{getattr(self.owner, '__qualname__', self.owner.__name__)}.{self.name}"

    @property
    def changed(self) -> bool:
        """True if the name refers to another object now, or the function's code was replaced."""
        now = vars(self.owner).get(self.name)
        if now is self.value:
            return self.function is not None and bool(_code_of(self.function) != self.code)
        return not _wrapped_by_its_library(now, self.name, self.title.partition(".")[0])

    def restore(self) -> None:
        """Restore the original."""
        function = self.function
        if function is not None and _code_of(function) != self.code:
            function.__code__, function.__defaults__, function.__kwdefaults__ = self.code
        if vars(self.owner).get(self.name) is not self.value:
            setattr(self.owner, self.name, self.value)


@dataclass(frozen=True, eq=False)
class HarnessFunctions:
    """The functions and classes of the harness, and those of torch, numpy and Python that it uses for scoring."""

    watched: tuple[Watched, ...]

    @classmethod
    def now(cls) -> HarnessFunctions:
        """Take a snapshot of all loaded modules."""
        return cls(tuple(_all_watched()))

    def restored(self) -> list[str]:
        """Restore everything that was replaced since the snapshot, and return its names, sorted."""
        changed = [watched for watched in self.watched if watched.changed]
        for watched in changed:
            watched.restore()
        shadows = list(_shadows())
        for module, name in shadows:
            delattr(module, name)
        names = [watched.title for watched in changed] + [f"{module.__name__}.{name}" for module, name in shadows]
        return sorted(set(names))


def _all_watched() -> Iterator[Watched]:
    """Yield all functions, classes and methods of the harness's modules and the watched namespaces."""
    for module in _harness_modules():
        yield from _members(module)
        for value in list(vars(module).values()):
            if isinstance(value, type) and value.__module__ == module.__name__:
                yield from _members(value)
    for owner in WATCHED:
        yield from _members(owner)


def _harness_modules() -> list[ModuleType]:
    modules = list(sys.modules.items())  # thousands
    return [m for name, m in modules if (name == "freeshot" or name.startswith("freeshot.")) and m is not None]


def _members(owner: Any) -> Iterator[Watched]:
    for name, value in list(vars(owner).items()):
        if callable(value) or isinstance(value, DESCRIPTORS):  # data such as caches may change
            function = _function_of(value)
            yield Watched(owner, name, value, function, None if function is None else _code_of(function))


def _shadows() -> Iterator[tuple[ModuleType, str]]:
    """Yield names that shadow Python builtins in modules of the harness, which has none itself."""
    for module in _harness_modules():
        for name in vars(module).keys() & vars(builtins).keys():
            # a submodule such as `render.format` is an attribute of its package
            if not name.startswith("__") and not isinstance(vars(module)[name], ModuleType):
                yield module, name


def _wrapped_by_its_library(function: Any, name: str, library: str) -> bool:
    """Return whether a library wrapped its own function, as torch wraps `manual_seed` at the first optimiser."""
    if library == "freeshot" or not isinstance(function, FunctionType) or function.__name__ != name:
        return False
    home = Path(sys.modules[library].__file__ or "").parent
    return home in Path(function.__code__.co_filename).parents


def _function_of(value: Any) -> FunctionType | None:
    """Return the Python function behind an attribute, if there is one."""
    if isinstance(value, FunctionType):  # most are, and cells look at thousands
        return value
    inner = getattr(value, "fget", None) if isinstance(value, property) else getattr(value, "__func__", value)
    return inner if isinstance(inner, FunctionType) else None


def _code_of(function: FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def backbone_state(backbone: Backbone) -> str:
    """Hash everything that determines the features of a frozen network: weights, normalisation, hooks, modes, forwards.

    Hooks and replaced `forward` methods change a network without changing its weights.
    """
    digest = hashlib.sha256(weights_sha256(backbone.vit).encode())
    for values in (backbone.normalize.mean, backbone.normalize.std):
        digest.update(values.detach().float().cpu().numpy().tobytes())
    for network in (backbone.normalize, backbone.vit):
        for name, module in network.named_modules():
            forwards = (id(vars(module).get("forward")), id(type(module).forward.__code__))
            hooks = (len(module._forward_hooks), len(module._forward_pre_hooks))  # noqa: SLF001 - no public count
            digest.update(f"{name} {type(module).__qualname__} {module.training} {hooks} {forwards}".encode())
    return digest.hexdigest()


class Untouched:
    """The state before the method prepares of everything it must not change."""

    def __init__(self, context: RunContext, spec: RunSpec, functions: HarnessFunctions) -> None:
        self._context, self._functions = context, functions
        self._backbone = context.backbone(spec.backbone)
        self._state = backbone_state(self._backbone)

    def require(self, method: Method) -> None:
        """Raise ContractError if the frozen network, a pool, or a function of the harness was changed."""
        changes = [f"replaced {name}, which the harness uses for scoring." for name in self._functions.restored()]
        if backbone_state(self._backbone) != self._state:
            changes.append("changed the frozen backbone. Work on bench.backbone(), a copy.")
        changes += [
            f"changed the LoRAs of the pool '{name}'. Work on copies." for name in self._context.changed_pools()
        ]
        if changes:
            raise ContractError(" ".join(f"Method '{method.name}' {change}" for change in changes))
