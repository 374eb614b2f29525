"""`python -m hil_sim`: the simulator without the gateway's command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hil_sim.app import Wish, run
from hil_sim.folder import SimulationError
from hil_sim.incidents import Incidents


def main() -> int:
    """Reads the arguments, runs, and gives the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m hil_sim", description=run.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--nlos", type=float, dest="nlos_share")
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--wait-client", action="store_true")
    parser.add_argument("--pause", action="store_true")
    parser.add_argument("--grpc-port", type=int)
    parser.add_argument("--scenario", type=Path)
    for name in ("distress", "low_battery", "gas"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float)
    given = vars(parser.parse_args())
    incidents = Incidents(given.pop("distress"), given.pop("low_battery"), given.pop("gas"))
    try:
        run(Wish(**given, incidents=incidents))
    except SimulationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
