"""What this package announces in the event log; the subject is the camera, the unit is the camera's."""

ACTIVITY_BEGAN = "activity.began"
"""Something began to happen before a camera; at most once a minute for each. Payload: `source`."""
