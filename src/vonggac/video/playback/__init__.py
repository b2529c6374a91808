"""Playback: what a camera's time line holds, playlists of it, its key frames, and the exact picture of a moment."""
