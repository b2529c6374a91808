"""FFmpeg (Debian's) as the judge of every media file: does it play, how long is it, what is in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

_TIMEOUT_S = 60


def complaints(path: Path) -> str:
    """Return what ffmpeg has to say against a file while it decodes all of it; nothing means that it plays."""
    decode = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(decode, capture_output=True, text=True, timeout=_TIMEOUT_S)
    said = done.stderr.strip()
    return said or (f"ffmpeg ended with {done.returncode}" if done.returncode else "")


def plays(path: Path) -> bool:
    """Return whether ffmpeg decodes all of a file without a word; `complaints` says why not."""
    return not complaints(path)


def frames(path: Path) -> int:
    """Return how many pictures of its first video track can be decoded."""
    stream = _probe(path, "-count_frames", "-select_streams", "v:0", "-show_entries", "stream=nb_read_frames")
    return int(stream["streams"][0]["nb_read_frames"])


def pictures(path: Path) -> list[str]:
    """Return a hash of each decoded picture of its first video track, in the order of the screen."""
    decode = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    done = subprocess.run([*decode, "-f", "framemd5", "-"], capture_output=True, text=True, timeout=_TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [line.rpartition(",")[2].strip() for line in done.stdout.splitlines() if line and line[0] != "#"]


def duration(path: Path) -> float:
    """Return a file's length in seconds."""
    return float(_probe(path, "-show_entries", "format=duration")["format"]["duration"])


def video(path: Path) -> dict[str, Any]:
    """Return what ffprobe says of the first video track: codec_name, profile, width, height, r_frame_rate, ..."""
    streams: list[dict[str, Any]] = _probe(path, "-select_streams", "v:0", "-show_streams")["streams"]
    return streams[0]


def packets(path: Path) -> list[dict[str, Any]]:
    """Return the samples of the first video track in decoding order: pts, dts, size, flags, as ffprobe names them."""
    entries = "packet=pts,dts,pts_time,dts_time,duration,size,pos,flags"
    found: list[dict[str, Any]] = _probe(path, "-select_streams", "v:0", "-show_entries", entries)["packets"]
    return found


def _probe(path: Path, *arguments: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-of", "json", *arguments, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S)
    assert done.returncode == 0, f"ffprobe cannot read {path.name}: {done.stderr.strip()}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
