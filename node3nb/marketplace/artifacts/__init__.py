"""Inputs and outputs of jobs: where their bytes are, and how they get there and away."""
