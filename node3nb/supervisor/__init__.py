"""The process that owns every native job; imports only the standard library and itself."""
