"""Clips that people asked for on a page: made by the keeper, kept for a day, no recordings of the centre."""
