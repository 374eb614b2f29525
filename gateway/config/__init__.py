"""One folder a mine: loaded, checked, every mistake told with file, line and key."""
