"""The errors a user may see: plain words that say what happened and what to do."""

from __future__ import annotations


class VonggacError(Exception):
    """An expected failure. Its message is shown as it is: one or two sentences, no secrets, no traceback.

    `values` fill the places `{name}` of the message: pages can then say a message of the catalog in another language.
    """

    def __init__(self, message: str = "", /, **values: object) -> None:
        super().__init__(message.format(**values) if values else message)
        self.message = message
        self.values = values


class SettingsError(VonggacError):
    """A settings file or environment variable that cannot be used."""


class NotInitialised(VonggacError):
    """The data folder was not made by `vonggac init`, or by a newer version."""


class AlreadyRunning(VonggacError):
    """Another process holds the lock of this role."""


class NotFound(VonggacError):
    """A unit, camera or recording that was named does not exist."""


class Invalid(VonggacError):
    """Input that breaks a rule; the message names the field and the rule."""
