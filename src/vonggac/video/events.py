"""What retention announces in the event log."""

HOLD_PLACED = "hold.placed"
"""Subject: the camera. Payload: `hold`, `from_us`, `to_us`, `reference`."""
HOLD_RELEASED = "hold.released"
"""The same."""
RECORDINGS_DELETED = "recordings.deleted"
"""One a slice. Payload: `files`, `bytes`, `cameras` (how many), `below_minimum` (files)."""
