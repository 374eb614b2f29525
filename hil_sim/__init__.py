"""A simulated mine that serves real protocols, for hardware-in-the-loop tests."""
