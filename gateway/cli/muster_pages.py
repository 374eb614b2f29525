"""A muster as a table for spreadsheets and as a page to be printed: who is missing comes first."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Final, NamedTuple

from gateway.cli.export.csv_file import as_text
from gateway.cli.show import local, plain
from lamproom.v1 import mine_pb2, muster_pb2


class Words(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str

    @property
    def both(self) -> str:
        """For headings."""
        return f"{self.zh} {self.en}"


#: States, those first for whom something has to be done.
STATES: Final = {
    muster_pb2.MUSTER_STATE_UNACCOUNTED: Words("unaccounted for", "失联"),
    muster_pb2.MUSTER_STATE_MUST_LEAVE: Words("must leave", "须撤离"),
    muster_pb2.MUSTER_STATE_ON_THE_WAY: Words("on the way", "撤离中"),
    muster_pb2.MUSTER_STATE_SAFE: Words("safe", "已安全"),
}
_UNKNOWN: Final = Words("unknown", "未知")
_MACHINES: Final = (mine_pb2.CARD_KIND_VEHICLE, mine_pb2.CARD_KIND_ROBOT)

_COLUMNS: Final = (
    Words("no.", "序号"),
    Words("state", "状态"),
    Words("since", "起始时间"),
    Words("name", "姓名"),
    Words("card", "卡号"),
    Words("team", "队组"),
    Words("job", "工种"),
    Words("last place", "最后位置"),
    Words("zones", "所在区域"),
    Words("located", "定位时间"),
    Words("age, s", "距今秒数"),
    Words("way out", "撤离路线"),
)

_STYLE: Final = """
@page { size: A4 landscape; margin: 12mm; }
body { font: 10pt/1.35 "Noto Sans CJK SC", "Microsoft YaHei", "SimSun", sans-serif; color: #000;
  margin: 1em; }
h1 { font-size: 15pt; margin: 0 0 .3em; } h2 { font-size: 12pt; margin: 1em 0 .3em; }
p { margin: .2em 0; }
.drill { border: 3px double #000; padding: .3em; font-size: 14pt; font-weight: bold;
  text-align: center; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #666; padding: 2px 4px; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
thead { display: table-header-group; } tr { break-inside: avoid; }
.first td { font-weight: bold; }
@media print { body { margin: 0; } }
"""


def is_machine(card: muster_pb2.MusterCard) -> bool:
    """Whether it is no person's; one that is not on the roster is taken for a person's."""
    return card.kind in _MACHINES


def is_safe(card: muster_pb2.MusterCard) -> bool:
    """Whether nothing has to be done."""
    return card.state == muster_pb2.MUSTER_STATE_SAFE


def ordered(cards: Iterable[muster_pb2.MusterCard]) -> list[muster_pb2.MusterCard]:
    """Who is not safe comes first, people before machines, and of them those who are silent."""
    rank = {state: place for place, state in enumerate(STATES)}
    return sorted(
        cards,
        key=lambda c: (is_safe(c), is_machine(c), rank.get(c.state, -1), c.number),
    )


def state_of(card: muster_pb2.MusterCard) -> Words:
    """A card's state in words; one that this program does not know is nothing good."""
    return STATES.get(card.state, _UNKNOWN)


def place_of(card: muster_pb2.MusterCard) -> str:
    """A card's last place in words; empty where there is none."""
    if not card.HasField("place"):
        return ""
    at = f"({card.place.x_m:.0f}, {card.place.y_m:.0f}, {card.place.z_m:.0f})"
    if not card.roadway_id:
        return at
    chainage = f" {card.chainage_m:.0f} m" if card.HasField("chainage_m") else ""
    return f"{card.roadway_id}{chainage} {at}"


def way_of(card: muster_pb2.MusterCard) -> str:
    """A card's way out in words."""
    if card.cut_off:
        return f"CUT OFF 无路可撤: {card.cut_off_reason}"
    if not card.HasField("way_out"):
        return ""
    way = card.way_out
    along = f" via {', '.join(way.roadway_ids)}" if way.roadway_ids else ""
    return f"{way.length_m:.0f} m to {way.zone_id}{along}"


def headline(muster: muster_pb2.Muster, zone: tzinfo) -> str:
    """What muster it is, and how it stands, in one line."""
    opened = local(muster.open_time.ToNanoseconds(), zone)
    closed = muster.HasField("close_time")
    parts = [
        f"{'DRILL 演练 ' if muster.drill else ''}{muster.muster_id}",
        f"closed {local(muster.close_time.ToNanoseconds(), zone)}" if closed else "open",
        f"since {opened} by {muster.opened_by}",
        ", ".join(muster.zone_ids) or "whole mine",
        muster.reason,
        *(
            f"{words.en} {count.people} people, {count.machines} machines"
            for state, words in STATES.items()
            for count in muster.counts
            if count.state == state
        ),
    ]
    return "; ".join(parts)


def _cells(card: muster_pb2.MusterCard, zone: tzinfo) -> list[str]:
    located = card.HasField("place")
    return [
        str(card.number),
        state_of(card).both,
        local(card.state_time.ToNanoseconds(), zone),
        card.name,
        card.card,
        card.team,
        card.job,
        place_of(card),
        ", ".join(card.zone_ids),
        local(card.place.measure_time.ToNanoseconds(), zone) if located else "",
        f"{card.age_s:.0f}" if located else "",
        way_of(card),
    ]


def csv_of(muster: muster_pb2.Muster, cards: Sequence[muster_pb2.MusterCard], zone: tzinfo) -> str:
    """A row for each card, under a line of headings; the last column says what muster it is.

    Times are in `zone`.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*(words.both for words in _COLUMNS), Words("muster", "清点").both])
    name = f"{'DRILL 演练 ' if muster.drill else ''}{muster.muster_id}"
    for card in cards:
        writer.writerow([as_text(cell) for cell in (*_cells(card, zone), name)])
    return out.getvalue()


def html_of(muster: muster_pb2.Muster, cards: Sequence[muster_pb2.MusterCard], zone: tzinfo) -> str:
    """One page that needs nothing else: no script, no picture, nothing from elsewhere."""
    missing = [card for card in cards if not is_safe(card)]
    safe = [card for card in cards if is_safe(card)]
    title = f"清点 Muster {html.escape(muster.muster_id)}"
    drill = '<p class="drill">演练 DRILL</p>\n' if muster.drill else ""
    parts = [
        f'<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
        f"{drill}<h1>{title}</h1>\n",
        *(
            f"<p>{html.escape(label.both)}: {html.escape(said)}</p>\n"
            for label, said in _facts(muster, zone)
        ),
        _section(Words(f"Not safe ({len(missing)})", f"未安全（{len(missing)}）"), missing, zone),
        _section(Words(f"Safe ({len(safe)})", f"已安全（{len(safe)}）"), safe, zone),
        "</body>\n</html>\n",
    ]
    return "".join(parts)


def _facts(muster: muster_pb2.Muster, zone: tzinfo) -> list[tuple[Words, str]]:
    opened = local(muster.open_time.ToNanoseconds(), zone)
    facts = [
        (Words("reason", "原因"), muster.reason),
        (Words("zones to be left", "撤离区域"), ", ".join(muster.zone_ids) or "全矿 whole mine"),
        (Words("opened", "启动"), f"{opened}, {muster.opened_by}"),
    ]
    if muster.HasField("close_time"):
        closed = local(muster.close_time.ToNanoseconds(), zone)
        said = ", ".join(filter(None, (closed, muster.closed_by, muster.close_note)))
        facts.append((Words("closed", "结束"), said))
    for state, words in STATES.items():
        for count in muster.counts:
            if count.state == state:
                said = f"人员 people {count.people}, 设备 machines {count.machines}"
                facts.append((words, said))
    return facts


def _section(heading: Words, cards: Sequence[muster_pb2.MusterCard], zone: tzinfo) -> str:
    head = "".join(f"<th>{html.escape(f'{one.zh} {one.en}')}</th>" for one in _COLUMNS)
    rows = "".join(
        f"<tr{_row_class(card)}>"
        + "".join(f"<td>{html.escape(plain(cell))}</td>" for cell in _cells(card, zone))
        + "</tr>\n"
        for card in cards
    )
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    return f"<h2>{html.escape(heading.both)}</h2>\n{table if cards else '<p>—</p>'}\n"


def _row_class(card: muster_pb2.MusterCard) -> str:
    silent = card.state == muster_pb2.MUSTER_STATE_UNACCOUNTED
    return ' class="first"' if silent or card.cut_off else ""
