"""What the Linux kernel offers to build a sandbox from: one module for each facility, no policy."""
