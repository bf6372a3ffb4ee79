"""A Python that has started already, and forks sandboxes that wait for their job."""
