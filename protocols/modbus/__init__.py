"""Devices that speak Modbus, on TCP or a serial line: points and rings of records."""
