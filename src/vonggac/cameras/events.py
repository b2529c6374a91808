"""What this package announces in the event log; the subject is the camera, the unit is the camera's."""

CAMERA_ADDED = "camera.added"
CAMERA_CHANGED = "camera.changed"
"""Payload: `fields`, the names of what changed, never the values."""
CAMERA_REMOVED = "camera.removed"
