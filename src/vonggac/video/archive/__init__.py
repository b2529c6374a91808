"""What is on disk, read and kept right: footage of an interval, holds and hashes, files against rows."""
