"""Contracts: `lamproom.v1` is the gateway's, `lamproom.sim.v1` the simulator's."""
