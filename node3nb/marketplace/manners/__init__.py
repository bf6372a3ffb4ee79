"""How the server treats its callers: who is let in, how much and how fast, and what is noted."""
