"""The few calls by which the recorder touches a disk: one seam, so that a test can log, delay or fail each of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

_IOV_MAX = 1024
"""Buffers that one writev takes (limits.h)."""
Buffer = bytes | bytearray | memoryview


class Disk(Protocol):
    """File operations of the recorder; each raises OSError as the system's does."""

    def make_folders(self, path: Path) -> list[Path]:
        """Make a folder and what is missing above it; returns the folders that got a new name in them."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist yet; returns its descriptor."""

    def append(self, descriptor: int, buffers: Sequence[Buffer]) -> None:
        """Write all buffers at the end of a file."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file."""

    def sync(self, descriptor: int) -> None:
        """Make what was written survive a power cut."""

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder survive a power cut."""

    def close(self, descriptor: int) -> None:
        """Close a file."""

    def remove(self, path: Path) -> None:
        """Delete a file that may be gone already."""


class SystemDisk:
    """The disk of this machine."""

    def make_folders(self, path: Path) -> list[Path]:
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for folder in reversed(missing):
            folder.mkdir(mode=0o750, exist_ok=True)
        return [folder.parent for folder in missing]

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def append(self, descriptor: int, buffers: Sequence[Buffer]) -> None:
        for first in range(0, len(buffers), _IOV_MAX):
            part = list(buffers[first : first + _IOV_MAX])
            while part:
                written = os.writev(descriptor, part)
                while part and written >= len(part[0]):
                    written -= len(part.pop(0))
                if part and written:
                    part[0] = memoryview(part[0])[written:]

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
