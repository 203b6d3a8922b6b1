"""Who hears about it, when, and how."""
