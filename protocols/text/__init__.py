"""Lines of text over TCP and UDP, as UWB kits and readers send them."""
