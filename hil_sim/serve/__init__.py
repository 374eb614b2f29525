"""The simulated mine on the wire."""
