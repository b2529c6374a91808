"""What can go wrong with a recording's bytes, in plain words."""

from __future__ import annotations

from vonggac.core.errors import VonggacError


class RecordingDamaged(VonggacError):
    """A recording, or the table of its groups, holds bytes that were not written by us or not written whole."""


class UnusableParameters(VonggacError):
    """A camera's parameter sets do not describe a stream that can be put into a file."""


class ClipRefused(VonggacError):
    """The chosen recordings cannot become one file; the message says what to choose instead."""
