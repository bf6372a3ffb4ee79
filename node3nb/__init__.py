"""A compute provider that lives in a Jupyter notebook."""
