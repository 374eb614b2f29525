"""The streams and answers that the gateway gives to the systems above ground."""
