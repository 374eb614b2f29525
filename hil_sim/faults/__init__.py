"""What goes wrong with the simulated devices: which kinds there are, when, and with what effect."""
