"""What happened, kept: an event is on disk before anyone is told."""
