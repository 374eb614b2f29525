"""Ranges and sightings to fixes, zones and the map: pure, without clock or I/O."""
