"""The real clips where they are at hand, else rendered ones that play the same part."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from peers.numbered import NumberedClip, rendered

REPOSITORY = Path(__file__).resolve().parents[2]

STREET = "street-cars.mp4"
"""A street from a pole: H.264 Baseline without B-frames, 768×432 at 12.5 fps, 30 s, with an AAC track."""
SHOP = "shop-person.mp4"
"""Persons in a shop: H.264 Main with B-frames, 768×432 at 10 fps, 139 s."""

# The same size, rate and tracks, with and without B-frames as they; the second is shorter, since nothing hangs on it.
_SUBSTITUTES = {
    STREET: NumberedClip(768, 432, 12.5, 30, group_seconds=4.8, bits_per_second=600_000, audio=True),
    SHOP: NumberedClip(768, 432, 10, 30, group_seconds=10, bits_per_second=200_000, b_frames=3),
}


@dataclass(frozen=True)
class Material:
    """Where clips come from: `folder` is the shared material, None when it is away; `cache` holds rendered clips."""

    folder: Path | None
    cache: Path

    @property
    def real(self) -> bool:
        """Whether the clips are the real ones."""
        return self.folder is not None

    def clip(self, name: str = STREET) -> Path:
        """Return a clip by its name: the real one, or its rendered substitute."""
        if self.folder is not None and (path := self.folder / "media" / name).is_file():
            return path
        return rendered(_SUBSTITUTES[name], self.cache)

    def reencoded(self, name: str, encoder: str, parameters: str, seconds: float = 8) -> Path:
        """Return the beginning of a clip, coded anew and smaller by Debian's ffmpeg; made at the first call.

        `encoder`: libx264 or libx265; `parameters` as it takes them.
        """
        source = self.clip(name)
        key = hashlib.sha256(f"{source}{source.stat().st_size}{encoder}{parameters}{seconds}".encode()).hexdigest()[:12]
        path = self.cache / f"{source.stem}-{encoder}-{key}.mp4"
        if not path.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"{path.stem}-{os.getpid()}.unfinished.mp4")
            quiet, tag = (":log-level=error", "hvc1") if encoder == "libx265" else ("", "avc1")
            options = ["-preset", "veryfast", f"-{encoder.removeprefix('lib')}-params", parameters + quiet]
            command = ["ffmpeg", "-nostdin", "-v", "error", "-i", source, "-t", f"{seconds}", "-an"]
            command += ["-vf", "scale=384:-2", "-c:v", encoder, *options, "-tag:v", tag, "-y", unfinished]
            subprocess.run(command, check=True, timeout=120)
            unfinished.replace(path)
        return path


def find(environment: dict[str, str] | None = None) -> Material:
    """Return the material that VONGGAC_MATERIAL names, by default the folder `shared` beside the repository."""
    named = (os.environ if environment is None else environment).get("VONGGAC_MATERIAL", "../shared")
    folder = (REPOSITORY / named).resolve()
    return Material(folder if (folder / "media").is_dir() else None, REPOSITORY / "build" / "clips")
