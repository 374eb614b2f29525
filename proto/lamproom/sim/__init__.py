"""The simulator's own contract."""
