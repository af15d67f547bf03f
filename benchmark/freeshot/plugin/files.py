"""Single-file plugins: `freeshot run … --plugin ./my_method.py`, without installation."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from freeshot.basics.errors import PluginError

PREFIX = "freeshot_file_"


def read_source(path: Path) -> bytes:
    """Read a plugin file; PluginError if it does not exist."""
    if path.suffix != ".py":
        raise PluginError(f"{path} is not a Python file. Use one like my_method.py, or install the plugin with pip.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path} cannot be read ({error.strerror}). Use an existing file.") from None


def import_file(path: Path) -> ModuleType:
    """Import a file once, under a module name that no installed package has."""
    name = PREFIX + re.sub(r"\W", "_", path.stem)
    imported = sys.modules.get(name)
    if imported is not None and imported.__file__ == str(path):
        return imported  # a second import would create distinct classes with the same names
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle need the module there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def file_of(value: object) -> Path | None:
    """Return the file of a class from a single-file plugin, or None."""
    module = getattr(value, "__module__", "")
    return Path(str(sys.modules[module].__file__)) if module.startswith(PREFIX) else None
