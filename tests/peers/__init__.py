"""Peers that no one here wrote, and clips whose pictures can be told apart: what the tests and benchmarks judge by."""
