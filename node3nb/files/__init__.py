"""A job's files on disk: made, unpacked, collected, removed, and never trusted."""
