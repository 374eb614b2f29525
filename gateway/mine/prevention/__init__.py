"""Dual prevention (双重预防): hazards, and the risk of each zone."""
