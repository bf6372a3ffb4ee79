"""Where a container engine may be, one module for each way to learn of one."""
