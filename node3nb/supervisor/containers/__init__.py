"""The process that owns a provider's containers: standard library, no secrets, threads."""
