"""`kill -9` of a gateway under load, again and again: what do clients lose that resume?

    ./run bench kill [--times 100] [--seed 1] [--minutes 60]

A gateway (`lamproom run`) of a simulated mine of 120 people, whose positions and events flow all
the time; operators take hazards from found to cleared as fast as they are answered, each act an
event. The gateway is killed at a random moment, one time in five while it still starts, and started
anew at once. Meanwhile clients follow the events: a plain one and an asynchronous one over all of
it, one that ends itself and goes on from its file, one whose place the gateway remembers. In the
end what each has got is compared with the journal, event by event and byte by byte.

The rival is a client that connects anew without a cursor, as one would write it in five lines. The
last line is a JSON object. Targets: `lost`, `doubled`, `out_of_order` 0. `acts_wrong` are acts that
were answered and are not in the journal exactly once; `restart_s` is from the start of the process
until it is ready, `back_s` from then until a client has heard of it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1])]  # benchmarks are not installed

import lamproom
from bench.kill_clients import Following, Got, Operators, verdict
from hil_sim.sample_mine import Ports, write_sample_mine
from tests.support.ports import free_port
from tests.support.processes import Process, simulator
from tests.support.processes import lamproom as command_line

PEOPLE: Final = 120
OPERATORS: Final = 16

#: One kill in so many comes before the gateway is ready.
EARLY_ONE_IN: Final = 5
#: After it is ready, a gateway lives for a time between these.
LIFE_S: Final = (0.05, 1.5)


class Gateway:
    """A gateway that is started anew each time, and how long that takes."""

    def __init__(self, mine: Path, port: int, folder: Path) -> None:
        self._mine, self._port, self._folder = mine, port, folder
        self.restarts_s: list[float] = []
        self.process = self._start()

    def _start(self) -> Process:
        line = command_line("run", self._mine, "--grpc-port", str(self._port))
        self._started_s = time.monotonic()
        return Process(line, self._folder, "gateway")

    def wait_until_ready(self) -> None:
        """Waits; the time since the start is one of `restarts_s`."""
        self.process.wait_for(lambda: "READY" in self.process.out)
        self.restarts_s.append(time.monotonic() - self._started_s)

    def end(self) -> None:
        """Ends the one that runs."""
        self.process.end()

    def kill_and_start(self) -> None:
        """`kill -9`, and another one at once."""
        self.process.kill()
        self.process.end()
        self.process = self._start()


def wait_for(condition: Any, what: str, seconds: float = 120.0) -> None:
    """Waits.

    Raises:
        TimeoutError: it has not come true; says what.
    """
    deadline_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline_s:
            msg = f"not within {seconds:g} s: {what}"
            raise TimeoutError(msg)
        time.sleep(0.01)


def kill_again_and_again(
    gateway: Gateway, following: Following, options: argparse.Namespace
) -> tuple[int, list[float]]:
    """How often it was killed; the seconds from ready until a client has heard, each time."""
    chance = random.Random(options.seed)
    deadline_s = time.monotonic() + 60 * options.minutes
    back_s: list[float] = []
    plain = following.got["plain"]
    killed = 0
    while killed < options.times and time.monotonic() < deadline_s:
        if chance.randrange(EARLY_ONE_IN) == 0 and gateway.restarts_s:
            time.sleep(chance.uniform(0.05, statistics.median(gateway.restarts_s)))
        else:
            gateway.wait_until_ready()
            ready_s = time.monotonic()
            wait_for(lambda since_s=ready_s: plain.heard_s > since_s, "a client hears of it")
            back_s.append(plain.heard_s - ready_s)
            time.sleep(chance.uniform(*LIFE_S))
        gateway.kill_and_start()
        killed += 1
        print(f"killed {killed}, the plain client is at event {plain.last}", flush=True)
    gateway.wait_until_ready()
    return killed, back_s


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One run, in an empty folder."""
    mine = folder / "mine"
    write_sample_mine(mine, people=PEOPLE, ports=Ports.free())
    port = free_port()
    address = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        stack.enter_context(simulator(mine, folder))
        gateway = Gateway(mine, port, folder)
        stack.callback(gateway.end)
        gateway.wait_until_ready()
        gateway.restarts_s.clear()  # the first start compiles
        gateway.kill_and_start()
        gateway.wait_until_ready()
        following, operators = Following(address, folder), Operators(address, OPERATORS)
        stack.callback(following.end)
        following.begin()
        operators.begin()
        begun_s = time.monotonic()
        killed, back_s = kill_again_and_again(gateway, following, options)
        took_s = time.monotonic() - begun_s
        operators.end()
        with lamproom.Client(address) as client:
            stored = [item for item in client.stored_events() if isinstance(item, lamproom.Event)]
        last = stored[-1].sequence
        wait_for(lambda: following.caught_up(last), "all clients are at the last event")
        following.end()
    return result_of(following, operators, stored, last) | {
        "times": killed,
        "seed": options.seed,
        "events_per_s": round(last / took_s, 1),
        "positions": following.positions,
        "restart_s": spread(gateway.restarts_s),
        "back_s": spread(back_s),
    }


def result_of(
    following: Following, operators: Operators, stored: list[lamproom.Event], last: int
) -> dict[str, Any]:
    """The comparison; what has happened after the journal was read counts for nobody."""
    clients = {name: verdict(until(got, last), stored) for name, got in following.got.items()}
    naive = verdict(until(following.naive, last), stored)
    total = {
        key: sum(one[key] for one in clients.values())
        for key in ("lost", "doubled", "out_of_order", "different", "gaps_and_resets")
    }
    acts = [event for event in stored if event.hazard_id]
    return total | {
        "events": last,
        "journal_gaps": last - len(stored),
        "acts": len(operators.done),
        "acts_wrong": abs(len(acts) - len(operators.done)),
        "clients": clients,
        "naive": naive,
    }


def until(got: Got, last: int) -> Got:
    """What was got of events up to that one."""
    kept = [at for at, sequence in enumerate(got.sequences) if sequence <= last]
    sequences = [got.sequences[at] for at in kept]
    return Got(sequences, [got.checksums[at] for at in kept], got.others)


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and longest."""
    return {"p50": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=100, help="how often it is killed")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--minutes", type=float, default=60.0, help="no kill after so long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options)
    for name, one in (result["clients"] | {"naive": result["naive"]}).items():
        print(f"{name:9s}", *(f"{key} {value}" for key, value in one.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
