"""The eyes: the registry of cameras."""
