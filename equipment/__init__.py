"""What a device is: its profile, its points, and what it reports. Pure, without clock or I/O."""
