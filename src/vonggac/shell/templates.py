"""The pages' templates: Jinja, everything escaped, an unknown name is an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_OWN = Path(__file__).parent / "templates"


def make_templates(folders: Sequence[Path] = ()) -> Environment:
    """Return the templates of the shell and of the packages whose folders are given."""
    return Environment(
        loader=FileSystemLoader([_OWN, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
