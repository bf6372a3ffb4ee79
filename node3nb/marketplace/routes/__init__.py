"""The calls of the marketplace, one module for each kind of caller or matter."""
