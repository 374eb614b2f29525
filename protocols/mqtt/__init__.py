"""Devices that publish over MQTT: JSON and Sparkplug B."""
