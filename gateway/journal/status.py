"""How the journal does, for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """`bytes` are those of all files, `free_bytes` of the file system, as they were seen last.

    `failure` says why it can't be written or soon can't, in words, since `failure_t_ns`; it is
    empty, and the time None, while all is well. `damage` is what was found at the opening.
    """

    epoch: int
    first_sequence: int
    last_sequence: int
    bytes: int
    free_bytes: int
    waiting_events: int
    failure: str
    failure_t_ns: int | None
    damage: tuple[str, ...]
