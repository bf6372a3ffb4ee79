"""The container engine of this machine: found, examined, its images, its GPUs."""
