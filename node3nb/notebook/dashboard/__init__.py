"""The live dashboard: one widget, one comm, one thread that sends; its page is in `view/`."""
