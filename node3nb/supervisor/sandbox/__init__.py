"""What a job runs in: built from the kernel's facilities, one level stronger than the next."""
