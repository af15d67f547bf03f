"""Every failure a user or a plugin can cause, as one full sentence.

    FreeshotError
     ├── UnknownNameError      no component, track or suite of that name
     ├── OptionError           a value that an option cannot take
     ├── PluginError           a plugin that cannot be used
     ├── DataError             images, cards or splits that cannot be read
     ├── EpisodeError          a task that the data cannot fill, or a changed episode list
     ├── PoolError             LoRAs that do not fit together or to the backbone
     │    └── MissingPoolError a pool that is to be built first
     ├── ContractError         a component that broke what its interface promises
     │    ├── UndeclaredError  a method asked for what it did not declare
     │    └── SealedError      images or a pool were opened while a method was at work
     ├── DivergedError         a number stopped being finite
     └── StoreError            a place that cannot be written, or a record that cannot be read

A message says what is wrong with the value shown, what was expected, and what to do.
"""

from __future__ import annotations

from freeshot.basics.text import printable


class FreeshotError(Exception):
    """Say in one sentence what is wrong, what was expected and what to do."""

    exit_code = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))  # names of files are a stranger's: some hold line breaks


class UnknownNameError(FreeshotError):
    """Nothing known carries this name."""


class OptionError(FreeshotError):
    """An option was given a value it cannot take."""


class PluginError(FreeshotError):
    """A plugin cannot be used."""


class DataError(FreeshotError):
    """Images, cards or splits cannot be read."""


class EpisodeError(FreeshotError):
    """A task cannot be drawn, or a frozen list is not what it was."""


class PoolError(FreeshotError):
    """LoRAs do not fit together or to the backbone."""


class MissingPoolError(PoolError):
    """A pool that is known how to build was not built yet."""


class ContractError(FreeshotError):
    """A component broke what its interface promises."""


class UndeclaredError(ContractError):
    """A method asked its workbench for something it did not declare."""


class SealedError(ContractError):
    """Images or a pool were opened, past the workbench, while a method was at work."""


class DivergedError(FreeshotError):
    """A loss or an image stopped being finite."""


class StoreError(FreeshotError):
    """A place cannot be written, or something stored there cannot be read."""
