"""A marketplace as those who call it see it: agents, people who send jobs, its administrator."""
