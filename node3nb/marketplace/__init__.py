"""The marketplace: what travels, who keeps it, who asks for it."""
