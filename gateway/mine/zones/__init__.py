"""Who is in which zone, since when, and how many."""
