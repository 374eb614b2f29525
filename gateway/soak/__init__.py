"""The real core against a simulated mine, in virtual time, checked after every step."""
