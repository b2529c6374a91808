"""The model railway: a simulated district of cameras."""
