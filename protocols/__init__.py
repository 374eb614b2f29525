"""How to talk to devices. Every driver only reads: no code path writes to a machine."""
