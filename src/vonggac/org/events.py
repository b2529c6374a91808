"""What this package announces in the event log; the subject is the unit."""

UNIT_ADDED = "unit.added"
UNIT_CHANGED = "unit.changed"
