"""Vọng Gác: the software of a local security operations centre."""
