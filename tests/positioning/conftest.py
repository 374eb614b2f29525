"""How long a test of the filter may take."""

from pathlib import Path

import pytest

#: The first test that needs a kind of card's record waits for its compilation: a minute on one core
#: where nothing is cached, twice that where another worker compiles beside it.
COMPILING_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of this folder the time to compile."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(COMPILING_S))
