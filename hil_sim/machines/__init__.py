"""Machines at work, each a pure and seeded model; `make` puts those of a mine together."""

from hil_sim.machines.machine import Machine, Values
from hil_sim.machines.make import make_machine

__all__ = ["Machine", "Values", "make_machine"]
