"""What devices give, until a step takes it: whole, in order, bounded, at times that can be."""

import asyncio

import numpy as np
import pytest

from equipment.profile import Kind
from equipment.report import LinkState, NoticeKind, Quality, RecordBatch, Sample
from gateway import inbox as inbox_module
from gateway.device_health import DeviceHealth
from gateway.inbox import DeviceInbox, Inbox
from gateway.mine.change import Batch
from positioning.observation import IdTable
from protocols.readers import Extent

S = 1_000_000_000
NOW = 1_800_000_000 * S
EXTENT = Extent(0.0, 0.0, 100.0, 0.0)


class Rig:
    """An inbox with one reader before it, and a clock that the test sets."""

    def __init__(
        self,
        kind: Kind = Kind.UWB_READER,
        *,
        cards: IdTable | None = None,
        readers: tuple[str, ...] = ("r1",),
    ) -> None:
        self.now_ns = NOW
        self.inbox = Inbox()
        self.health = DeviceHealth("", NOW)
        self.device = DeviceInbox(
            "r1",
            kind,
            self.inbox,
            cards=cards or IdTable(),
            anchors=IdTable(("A1",)),
            readers=IdTable(readers),
            extent=EXTENT,
            clock_tolerance_ns=5 * S,
            now_ns=lambda: self.now_ns,
            health=self.health,
        )

    def give(
        self,
        *t_ns: int,
        device_t_ns: int | None = None,
        card: str = "100",
        anchor: str = "A1",
        range_m: float = 5.0,
    ) -> Batch:
        count = len(t_ns)
        columns = {
            "t_us": np.array(t_ns, np.int64) // 1000,
            "card": np.array([card] * count, dtype=object),
            "anchor": np.array([anchor] * count, dtype=object),
            "range_m": np.full(count, range_m),
        }
        self.device.records(RecordBatch("r1", columns, self.now_ns, device_t_ns))
        return self.inbox.take()


def told(batch: Batch) -> list[tuple[NoticeKind, int, str]]:
    return [(notice.kind, notice.count, notice.text) for notice in batch.notices]


def sample(n: int) -> Sample:
    return Sample("r1", "p", float(n), Quality.GOOD, "", None, NOW)


def test_records_without_a_clock_have_the_time_of_their_arrival() -> None:
    rig = Rig()
    columns = {
        "age_us": np.array([2_000_000, 0], np.int64),
        "card": np.array(["100", "101"], dtype=object),
        "anchor": np.array(["A1", "A1"], dtype=object),
        "range_m": np.array([5.0, 6.0]),
    }
    # What the driver takes for the time counts for nothing: it may be set by someone.
    rig.device.records(RecordBatch("r1", columns, NOW + 3600 * S))
    batch = rig.inbox.take()
    assert batch.measurements["t_ns"].tolist() == [NOW - 2 * S, NOW]
    assert (told(batch), batch.clocks) == ([], ())


def test_what_gathers_comes_once_and_in_order() -> None:
    rig = Rig()
    rig.device.samples([sample(1), sample(2)])
    rig.device.samples([sample(3)])
    batch = rig.inbox.take()
    assert [one.value for one in batch.samples] == [1.0, 2.0, 3.0]
    assert rig.inbox.take().samples == ()


def test_late_records_keep_their_time() -> None:
    batch = Rig().give(NOW - 3600 * S, NOW, device_t_ns=NOW)
    assert batch.measurements["t_ns"].tolist() == [NOW - 3600 * S, NOW]
    assert batch.notices == ()


@pytest.mark.parametrize("off_s", [-7 * 86_400, -3600, 3600, 86_400 * 365])
def test_a_wrong_clock_is_told_once_and_shifted(off_s: int) -> None:
    rig = Rig()
    device_ns = NOW + off_s * S
    batch = rig.give(device_ns - S, device_ns, device_t_ns=device_ns)
    assert batch.measurements["t_ns"].tolist() == [NOW - S, NOW]
    ((kind, _, text),) = told(batch)
    assert kind is NoticeKind.DATA_REFUSED
    assert "clock is off" in text
    rig.now_ns += S
    assert rig.give(device_ns + S, device_t_ns=device_ns + S).notices == ()


def test_the_gateways_clock_counts_not_the_computers() -> None:
    rig = Rig()
    columns = {
        "t_us": np.array([NOW // 1000]),
        "card": np.array(["100"], dtype=object),
        "anchor": np.array(["A1"], dtype=object),
        "range_m": np.array([5.0]),
    }
    # The computer's clock has been set by an hour since the gateway began.
    rig.device.records(RecordBatch("r1", columns, NOW + 3600 * S, NOW))
    batch = rig.inbox.take()
    assert batch.measurements["t_ns"].tolist() == [NOW]
    assert batch.notices == ()


@pytest.mark.parametrize("device_t_ns", [NOW, None])
@pytest.mark.parametrize("kind", [Kind.UWB_READER, Kind.RFID_READER])
def test_a_record_of_the_future_is_refused_aloud(kind: Kind, device_t_ns: int | None) -> None:
    batch = Rig(kind).give(NOW + 86_400 * S, (1 << 63) - 1000, NOW, device_t_ns=device_t_ns)
    assert batch.measurements["t_ns"].tolist() == [NOW]
    assert told(batch) == [
        (NoticeKind.DATA_REFUSED, 2, "their times lie in the future; check the reader's clock"),
    ]


def test_times_do_not_overflow_when_they_are_shifted() -> None:
    rig = Rig()
    batch = rig.give((1 << 63) - 1000, S, device_t_ns=S)
    assert batch.measurements["t_ns"].tolist() == [NOW]


def test_times_before_there_were_any_are_refused() -> None:
    # Its clock is a day ahead, so this record is of the year 1969.
    rig = Rig()
    batch = rig.give(S, device_t_ns=NOW + 86_400 * S)
    assert len(batch.measurements) == 0
    assert any("no time" in text for _, _, text in told(batch))


@pytest.mark.parametrize("range_m", [np.inf, -1.0, 2001.0, 1e9])
def test_a_distance_that_can_not_be_true_is_refused_aloud(range_m: float) -> None:
    batch = Rig().give(NOW, range_m=range_m)
    assert np.isnan(batch.measurements["value_m"]).tolist() == [True], (
        "the card was heard all the same"
    )
    ((kind, count, text),) = told(batch)
    assert (kind, count) == (NoticeKind.DATA_REFUSED, 1)
    assert "no distance that can be true" in text


def test_a_card_is_heard_without_a_distance() -> None:
    batch = Rig().give(NOW, range_m=np.nan)
    assert (len(batch.measurements), batch.notices) == (1, ())


def test_a_full_card_table_is_told_and_ends_nothing() -> None:
    rig = Rig(cards=IdTable(("100",), capacity=1))
    assert "no room for another card" in told(rig.give(NOW, card="200"))[0][2]
    assert len(rig.give(NOW).measurements) == 1


def test_a_reader_that_is_not_on_the_map_is_told() -> None:
    batch = Rig(Kind.RFID_READER, readers=()).give(NOW, NOW)
    assert told(batch) == [(NoticeKind.DATA_REFUSED, 2, "it gives sightings but is not on the map")]


def test_what_finds_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "WAITING_MOST", 5)
    rig = Rig()
    for n in range(10):
        rig.device.samples([sample(n), sample(n)])
    batch = rig.inbox.take()
    assert len(batch.samples) == 4
    assert sum(count for _, count, _ in told(batch)) == 16
    rig.device.samples([sample(0)])
    assert len(rig.inbox.take().samples) == 1


def test_notices_and_links_are_bounded_while_a_step_stands_still() -> None:
    rig = Rig()
    for n in range(100_000):
        rig.device.notice(NoticeKind.DATA_REFUSED, 1, f"this anchor is not on the map: 'B{n}'")
        rig.device.link(LinkState.UP if n % 2 else LinkState.DOWN, "flapping")
    batch = rig.inbox.take()
    assert sum(notice.count for notice in batch.notices) == 100_000
    assert len(batch.notices) < 1000
    assert len(batch.links) <= inbox_module.LINKS_MOST
    assert batch.links[-1].state is LinkState.UP


def test_ranges_and_sightings_come_in_the_order_of_their_arrival() -> None:
    uwb, rfid = Rig(), Rig(Kind.RFID_READER)
    rfid.device._inbox = uwb.inbox
    order = [uwb, rfid, rfid, uwb]
    for n, rig in enumerate(order):
        columns = {
            "t_us": np.array([NOW // 1000 + n]),
            "card": np.array(["100"], dtype=object),
            "anchor": np.array(["A1"], dtype=object),
            "range_m": np.array([5.0]),
        }
        rig.device.records(RecordBatch("r1", columns, NOW, None))
    measured = uwb.inbox.take().measurements
    assert measured["kind"].tolist() == [0, 2, 2, 0]
    assert (np.diff(measured["t_ns"]) > 0).all()


def test_places_of_an_engine_are_measured_and_bounded_by_the_newest_map() -> None:
    rig = Rig(Kind.POSITIONING_ENGINE, readers=())
    columns = {
        "t_us": np.array([NOW // 1000, NOW // 1000 + 1]),
        "card": np.array(["100", "200"], dtype=object),
        "x_m": np.array([50.0, 3000.0]),
        "y_m": np.array([1.0, -2.0]),
        "flags": np.array([0, 1]),
    }
    rig.device.records(RecordBatch("r1", columns, NOW, NOW))
    first = rig.inbox.take()
    assert first.measurements["kind"].tolist() == [3, 3]
    assert first.measurements["value_m"][0] == 50.0
    assert np.isnan(first.measurements["value_m"][1])
    assert first.measurements["flags"].tolist() == [0, 1]
    ((kind, count, text),) = told(first)
    assert (kind, count) == (NoticeKind.DATA_REFUSED, 1)
    assert "more than 1000 m from all that is on the map" in text
    rig.device.use(IdTable(), IdTable(), Extent(0.0, 0.0, 4000.0, 0.0), 5 * S)
    rig.device.records(RecordBatch("r1", columns, NOW, NOW))
    second = rig.inbox.take()
    assert second.measurements["value_m"].tolist() == [50.0, 3000.0]
    assert second.notices == ()


async def test_waiting_ends_with_data_or_with_the_time() -> None:
    rig = Rig()
    async with asyncio.timeout(5):
        await rig.inbox.filled(0.01)
        waiting = asyncio.create_task(rig.inbox.filled(60))
        await asyncio.sleep(0)
        rig.device.samples([sample(1)])
        await waiting


def test_another_map_counts_from_the_moment_on_that_it_is_given() -> None:
    rig = Rig()
    first = rig.give(NOW, device_t_ns=NOW)
    rig.device.use(IdTable(("A0", "A1")), IdTable(("r1",)), EXTENT, 5 * S)
    second = rig.give(NOW, device_t_ns=NOW)
    assert [batch.measurements["source"].tolist() for batch in (first, second)] == [[0], [1]]


def test_a_retired_device_gives_nothing_any_more() -> None:
    rig = Rig()
    rig.device.retire()
    rig.device.samples([sample(1)])
    rig.device.notice(NoticeKind.DATA_LOST, 1, "gone")
    rig.device.link(LinkState.DOWN, "gone")
    batch = rig.give(NOW, device_t_ns=NOW)
    assert (batch.samples, batch.notices, batch.links) == ((), (), ())
    assert len(batch.measurements) == 0


def test_a_clock_is_told_at_first_and_whenever_it_changes() -> None:
    rig = Rig()
    first = rig.give(NOW, device_t_ns=NOW + S)
    again = rig.give(NOW, device_t_ns=NOW - S)
    off = rig.give(NOW, device_t_ns=NOW - 90 * S)
    right = rig.give(NOW, device_t_ns=NOW)
    told = [[(one.device, one.off_ns) for one in batch.clocks] for batch in (first, again)]
    assert told == [[("r1", 0)], []]
    assert [(one.device, one.off_ns) for one in off.clocks] == [("r1", -90 * S)]
    assert [(one.device, one.off_ns) for one in right.clocks] == [("r1", 0)]
