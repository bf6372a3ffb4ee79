"""Files between a job's URLs and its workspace."""
