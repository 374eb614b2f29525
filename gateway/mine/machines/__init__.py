"""Machines and vehicles that move among people."""
