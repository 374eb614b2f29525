"""How the tests are spread over processes."""

import math

import pytest

#: Modules whose tests start whole gateways, and mostly wait for them.
LONG = ("test_kill.py", "test_bad_input.py", "test_demo.py", "test_wire.py")


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
