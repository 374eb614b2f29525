"""What a client of positions asked to see, how far it is, and what it is told of that."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from google.protobuf.field_mask_pb2 import FieldMask
from numpy.typing import NDArray

from gateway.serve.encode import COLUMN_NAMES, FRAME_ROWS_MAX, Columns, encode_frame
from gateway.serve.failure import invalid
from gateway.serve.picture import LatestFixes
from gateway.serve.position_filter import CardFilter, Membership
from gateway.serve.reasons import Reason
from lamproom.v1 import position_pb2
from positioning.observation import Records, rows_of

#: A client that asks for one of these is sent every fix of its hub.
_EVERY_FIX: Final = (position_pb2.SAMPLING_EVERY_FIX, position_pb2.SAMPLING_SMOOTHED)


class View(NamedTuple):
    """What is asked for: streams with the same view are sent the same bytes."""

    wanted: CardFilter | None
    columns: Columns
    every_fix: bool


@dataclass(slots=True)
class Reader:
    """Where a client is: it has had all up to frame `at`, `total` fixes, and `named` handles.

    `told` is the frame up to which it knows which cards its filter lets through. `named` is None
    before its first directory; `roads` are the roadways that it was told. `waiting` are frames that
    belong together, of which some were sent.
    """

    view: View
    membership: Membership | None
    at: int
    total: int
    told: int
    named: int | None = None
    roads: int = 0
    waiting: deque[bytes] = field(default_factory=deque)


class Told(NamedTuple):
    """What a client is told of some frames; of fixes (n,) FIX `merged` more were made."""

    fixes: Records
    left: NDArray[np.intp] | None
    merged: int

    def encoded(self, columns: Columns, before: bytes, cursor: bytes) -> list[bytes]:
        """As frames, of which only the last goes on from `cursor`, the others from `before`.

        None where there is nothing to tell.
        """
        if not len(self.fixes) and not self.merged and (self.left is None or not len(self.left)):
            return []
        *others, last = parts_of(self.fixes)
        return [
            *(encode_frame(part, before, columns=columns) for part in others),
            encode_frame(
                last, cursor, coalesced_count=self.merged, columns=columns, left=self.left
            ),
        ]


def parts_of(fixes: Records) -> list[Records]:
    """(n,) FIX as parts that each fit into a frame; one at least."""
    starts = range(0, max(len(fixes), 1), FRAME_ROWS_MAX)
    return [fixes[start : start + FRAME_ROWS_MAX] for start in starts]


def wants_every_fix(sampling: int) -> bool:
    """Whether a sampling carries every fix. Raises RequestError for one that there is not."""
    if sampling not in position_pb2.Sampling.values():
        msg = f"sampling is {sampling}: there is no such one"
        raise invalid(msg, "sampling")
    return sampling in _EVERY_FIX


def columns_of(mask: FieldMask) -> Columns:
    """The columns that a mask names. Raises RequestError for a name that is none."""
    if not mask.paths:
        return None
    names = [path.removeprefix("frame.") for path in mask.paths]
    for name in names:
        if name not in COLUMN_NAMES and name != "tag_handles":
            msg = (
                f"read_mask: there is no column {name!r}; there are tag_handles, "
                f"{', '.join(COLUMN_NAMES)}"
            )
            raise invalid(msg, "read_mask", Reason.READ_MASK_INVALID)
    return frozenset(COLUMN_NAMES[name] for name in names if name in COLUMN_NAMES)


def newest_of_frame(fixes: Records) -> Told:
    """Of (n,) FIX the last of each card, in the order in which they were made."""
    _, from_end = np.unique(fixes["card"][::-1], return_index=True)
    newest = fixes[np.sort(len(fixes) - 1 - from_end)] if len(from_end) < len(fixes) else fixes
    return Told(newest, None, len(fixes) - len(newest))


def merged_since(reader: Reader, latest: LatestFixes, total: int) -> Told:
    """The newest fix of each card since `reader.at`, and how many others of `total` there were."""
    member = reader.membership
    if member is None:
        fixes = latest.since(reader.at)
        return Told(fixes, None, total - reader.total - len(fixes))
    versions = latest.versions(len(member.inside))
    fresh = member.inside & (versions > reader.at)
    come = member.inside & (member.changed > reader.told) & (versions > 0)
    merged = member.total - reader.total - int(np.count_nonzero(fresh))
    # Fixes that were made outside are none of the filter's, though the newest of them is told.
    return Told(latest.pick(fresh | come), _left(member, reader.told), max(0, merged))


def next_of_frame(reader: Reader, fixes: Records, latest: LatestFixes) -> Told:
    """Every one of (n,) FIX of the frame after `reader.at` that its filter lets through."""
    member = reader.membership
    if member is None:
        return Told(fixes, None, 0)
    inside = rows_of(fixes, member.inside[fixes["card"]])
    # Who has come without a fix in the frames that are still to be sent is told where they are.
    versions = latest.versions(len(member.inside))
    come = member.inside & (member.changed > reader.told) & (versions > 0)
    come &= versions <= reader.at
    if come.any():
        inside = np.concatenate([latest.pick(come), inside])
    return Told(inside, _left(member, reader.told), 0)


def _left(member: Membership, told: int) -> NDArray[np.intp]:
    return np.flatnonzero(~member.inside & (member.changed > told))


def snapshot_of(member: Membership | None, latest: LatestFixes, columns: Columns) -> list[bytes]:
    """The newest fix of every card, as frames; none where there is no fix."""
    fixes = latest.since(0)
    if member is not None:
        fixes = latest.pick(member.inside & (latest.versions(len(member.inside)) > 0))
    if not len(fixes):
        return []
    return [encode_frame(part, b"", snapshot=True, columns=columns) for part in parts_of(fixes)]
