"""Who is below: cards, whose they are, where they were last, and the time they spend."""
