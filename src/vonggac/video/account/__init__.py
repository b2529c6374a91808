"""The account of every second: what was recorded, and by reason what was not."""
