"""What devices and anchors say, and what it says of them."""
