"""The files that the pages load: built at set-up (`make setup`), read once, served from memory under their hash."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from vonggac.core.errors import NotInitialised

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it goes out."""

    content_type: str
    plain: bytes = field(repr=False)
    zipped: bytes | None = field(repr=False)


class Bundle:
    """The files, each served under a name with its hash (`main-1a2b3c4d.js`), so that browsers keep it for ever."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._served: dict[str, StaticFile] = {}
        self._names: dict[str, str] = {}
        for name, content in files.items():
            stem, suffix = name.rsplit(".", 1)
            served = f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
            zipped = gzip.compress(content, 9, mtime=0)
            kept = zipped if len(zipped) < len(content) * 0.9 else None
            self._served[served] = StaticFile(_TYPES[f".{suffix}"], content, kept)
            self._names[name] = served

    @classmethod
    def read(cls, folder: Path) -> Bundle:
        """Return the files of a folder; NotInitialised when it was not built."""
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix in _TYPES)
        except FileNotFoundError:
            paths = []
        if not any(path.name == "main.js" for path in paths):
            raise NotInitialised("The pages' scripts and styles are not built. Run: make setup (needs Node.js and npm)")
        return cls({path.name: path.read_bytes() for path in paths})

    def address(self, name: str) -> str:
        """Return the path under which a file is served; KeyError when there is none of that name."""
        return f"/static/{self._names[name]}"

    def get(self, served: str) -> StaticFile | None:
        """Return what to send for a name with its hash."""
        return self._served.get(served)
