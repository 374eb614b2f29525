"""What the mine core needs of a configuration: settings become plans."""
