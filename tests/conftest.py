"""How the tests are spread over processes, and which examples property tests take."""

import math

import pytest
from hypothesis import settings

# The same examples each time: a change is judged by what it changes, not by luck. New ones are
# looked for with `--hypothesis-profile=searching`; what they find becomes a test of its own.
settings.register_profile("steady", derandomize=True)
settings.register_profile("searching", max_examples=1_000)
settings.load_profile("steady")

#: Modules whose tests start whole gateways, and mostly wait for them.
LONG = (
    "test_faults.py", "test_kill.py", "test_kill_clients.py", "test_examples.py",
    "test_bad_input.py", "test_demo.py", "test_wire.py",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests come first, as many for each worker, so that none is alone at the end.

    With `--dist worksteal` a worker begins with its share of the list, from the front.
    """
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.path.name in LONG]
    short = [item for item in items if item.path.name not in LONG]
    share = math.ceil(len(items) / workers)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        own = long[worker::workers]
        rest = share - len(own)
        ordered += own + short[:rest]
        del short[:rest]
    items[:] = ordered
