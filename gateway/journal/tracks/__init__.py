"""Kept positions: files of an hour with every card's fixes, one a second at most."""
