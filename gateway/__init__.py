"""The gateway: mine core, journal, services, configuration and command line."""
