"""The alarms: their families, states and words, and who is told."""
