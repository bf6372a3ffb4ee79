"""What several scripts import."""
