"""The mine core: one deterministic step from what was observed to what has changed."""
