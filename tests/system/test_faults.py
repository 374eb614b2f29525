"""Every fault over every protocol: the data come back, no false value is good, all of it is seen.

Each protocol has a plant of independent servers, a device of it for each fault of `fault_table`,
and a gateway that reads all of them; a gRPC client judges every value. All faults of a plant are
there at once. What is printed with `-s` is what was seen, and after how long; the table in
`docs/reliability.md` is written anew with

    LAMPROOM_FAULT_TABLE=docs/reliability.md pytest tests/system/test_faults.py -n0 --no-cov
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.system.fault_plant import Plant
from tests.system.fault_rigs_modbus import modbus_tcp, rtu, rtu_over_tcp
from tests.system.fault_run import run
from tests.system.fault_table import CELLS, Tried

RIGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Plant]]] = {
    "modbus_tcp": modbus_tcp,
    "rtu_over_tcp": rtu_over_tcp,
    "rtu": rtu,
}


@pytest.mark.parametrize("protocol", RIGS)
async def test_every_fault_is_seen_is_survived_and_makes_no_false_value(
    protocol: str, tmp_path: Path
) -> None:
    tried = {fault for fault, cell in CELLS[protocol].items() if isinstance(cell, Tried)}
    async with RIGS[protocol](tmp_path) as plant:
        assert {case.fault for case in plant.cases} == tried
        outcome = await run(protocol, plant, tmp_path)
    assert outcome.complaints == []
    assert outcome.back_s.keys() == tried
