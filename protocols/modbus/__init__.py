"""Devices that speak Modbus TCP: points in registers and bits, rings of records."""
