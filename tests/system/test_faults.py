"""Every fault over every protocol: the data come back, no false value is good, all of it is seen.

Each protocol has a plant of independent servers, a device of it for each fault of `fault_table`,
and a gateway that reads all of them; a gRPC client judges every value. All faults of a plant are
there at once. What is printed with `-s` is what was seen, and after how long; the table in
`docs/reliability.md` is written anew with

    LAMPROOM_FAULT_TABLE=docs/reliability.md pytest tests/system/test_faults.py -n0
"""

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.system import fault_doc
from tests.system.fault_plant import Plant
from tests.system.fault_rig_mqtt import mqtt, sparkplug
from tests.system.fault_rig_opcua import opcua
from tests.system.fault_rig_text import text_tcp, text_udp
from tests.system.fault_rigs_modbus import modbus_tcp, rtu, rtu_over_tcp
from tests.system.fault_run import run
from tests.system.fault_table import CELLS, FAULTS, PROTOCOLS, Tried

#: Within so long the data are to be back. The figures in the document are, as they were measured; a
#: test waits longer, for machines are busy.
BACK_MOST_S = 15.0

RIGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Plant]]] = {
    "modbus_tcp": modbus_tcp,
    "rtu_over_tcp": rtu_over_tcp,
    "rtu": rtu,
    "opcua": opcua,
    "mqtt": mqtt,
    "sparkplug": sparkplug,
    "text_tcp": text_tcp,
    "text_udp": text_udp,
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
    if document := os.environ.get("LAMPROOM_FAULT_TABLE"):
        fault_doc.write(Path(document), protocol, outcome.back_s)


def test_every_fault_has_a_cell_for_every_protocol() -> None:
    assert RIGS.keys() == CELLS.keys() == PROTOCOLS.keys()
    for protocol, cells in CELLS.items():
        assert cells.keys() == FAULTS.keys(), protocol


def test_the_document_shows_the_cells_of_the_table_and_times_within_15_s() -> None:
    found, times = fault_doc.shown(fault_doc.DOC.read_text())
    assert found == fault_doc.table(times)
    assert {key for key, time in times.items() if time == "?" or float(time) > BACK_MOST_S} == set()
