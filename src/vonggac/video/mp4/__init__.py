"""Fragmented MP4: written group by group, read back, cut without re-encoding."""
