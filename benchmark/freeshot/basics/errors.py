"""All errors that a user or a plugin can cause."""

from __future__ import annotations

from freeshot.basics.text import printable


class FreeshotError(Exception):
    """Base class; a message states in full sentences the error, the expected value and the remedy."""

    exit_code = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))  # messages may hold third-party file names with line breaks


class UnknownNameError(FreeshotError):
    """No registered item has this name."""


class OptionError(FreeshotError):
    """An option has an invalid value."""


class PluginError(FreeshotError):
    """A plugin cannot be used."""


class DataError(FreeshotError):
    """Images, cards or splits cannot be read."""


class EpisodeError(FreeshotError):
    """A task cannot be drawn, or a frozen episode list has changed."""


class PoolError(FreeshotError):
    """LoRAs do not fit each other or the backbone."""


class MissingPoolError(PoolError):
    """A pool with a known recipe has not been built yet."""


class ContractError(FreeshotError):
    """A component breaks the contract of its interface."""


class UndeclaredError(ContractError):
    """A method requested a resource from its workbench that it did not declare."""


class SealedError(ContractError):
    """Method code opened images or a pool without the workbench."""


class DivergedError(FreeshotError):
    """A loss or an image became infinite or NaN."""


class StoreError(FreeshotError):
    """A path cannot be written, or a stored file cannot be read."""


class FreeshotWarning(UserWarning):
    """What the Python API reports without raising: plugins that failed, cells without a result, invalid records."""
