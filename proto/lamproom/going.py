"""What streams of both clients have in common: what is dealt with, and getting over failures."""

from __future__ import annotations

import logging
from typing import Final, Generic, TypeVar

from lamproom.asks import Ask
from lamproom.errors import LamproomError, RefusedError
from lamproom.keeping import CursorStore, Keeping
from lamproom.retry import Backoff
from lamproom.stream import Place

Item = TypeVar("Item")

#: At the end of a `with` block it is waited so long for the gateway to take a consumer's place: it
#: restarts in less. Not where an exception ends it, as Ctrl-C does.
LAST_PATIENCE_S: Final = 30.0

log = logging.getLogger("lamproom")


class Going(Generic[Item]):
    """A stream that goes on over all break-offs, without what carries its bytes."""

    def __init__(self, place: Place[Item], keeping: Keeping | None = None) -> None:
        self._place = place
        self._keeping = keeping or Keeping(None, "")
        self._dealt = place.cursor
        self._backoff = Backoff()
        self._complained = ""

    @property
    def cursor(self) -> bytes:
        """Where to go on after the item that was given last; empty where nothing is known yet."""
        return self._place.cursor

    def _is_dealt_with(self) -> None:
        """All that was given is dealt with."""
        self._dealt = self._place.cursor

    def _store_to_save(self) -> CursorStore | None:
        """The store that is to be given the cursor of what is dealt with."""
        return self._keeping.store_for(self._dealt)

    def _is_saved(self, cursor: bytes) -> None:
        self._keeping.saved(cursor)

    def _to_acknowledge(
        self, now_s: float, *, last: bool, ended_well: bool = False
    ) -> Ask[None] | None:
        patience_s = LAST_PATIENCE_S if ended_well else 0.0
        return self._keeping.acknowledgement(self._dealt, now_s, last=last, patience_s=patience_s)

    def _heard(self) -> None:
        """The gateway has answered."""
        self._backoff.heard()
        self._complained = ""

    def _wait_s(self, failure: LamproomError) -> float:
        """How long to wait until another call; what went wrong is logged once.

        Raises:
            RefusedError: no other call could do better.
        """
        if isinstance(failure, RefusedError):
            if self._place.refused(failure):
                return 0.0
            raise failure
        if str(failure) != self._complained:
            self._complained = str(failure)
            log.warning("%s; trying again", failure)
        return self._backoff.wait_s()
