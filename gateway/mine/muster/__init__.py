"""Who must leave, by which way, and who has."""
