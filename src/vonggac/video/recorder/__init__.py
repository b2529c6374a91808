"""The recorder role: cameras in, files and index rows out, live frames to whoever watches."""
