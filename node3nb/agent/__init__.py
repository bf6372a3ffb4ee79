"""The parts a JobManager is put together from."""
