"""Where operators' acts wait for the step that does them, and what of them is kept for ever."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Final

from gateway.inbox import Inbox
from gateway.journal.audit import DONE, AuditEntry
from gateway.mine.change import Act, Answer

#: Acts that may wait: operators do a few a second at most, a step comes five times a second.
WAITING_MOST: Final = 1000


class DeskFullError(Exception):
    """Too many acts wait already, to be done or to be stored."""


class DeskClosedError(Exception):
    """The gateway is stopping: whether the act is done is not known."""


class Desk:
    """Hands acts to the inbox and gives each its answer. On the event loop only."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._asked: defaultdict[str, deque[asyncio.Future[Answer]]] = defaultdict(deque)
        self._waiting = 0
        self._closed = False
        #: Whether so many acts wait to be stored that no more can be taken.
        self.is_full: Callable[[], bool] = lambda: False

    @property
    def waiting(self) -> int:
        """How many acts have no answer yet."""
        return self._waiting

    async def ask(self, act: Act) -> Answer:
        """What became of the act, when that is on disk, or is known not to be yet.

        Raises:
            DeskFullError: too many wait.
            DeskClosedError: the gateway is stopping.
        """
        future = self.expect(act)
        self._inbox.put_act(act)
        return await future

    def expect(self, act: Act) -> asyncio.Future[Answer]:
        """The answer to come to an act that the core is given in another way than by the inbox.

        Raises:
            DeskFullError: too many wait.
            DeskClosedError: the gateway is stopping.
        """
        if self._closed:
            raise DeskClosedError
        if self._waiting >= WAITING_MOST or self.is_full():
            raise DeskFullError
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[act.request_id].append(future)
        self._waiting += 1
        return future

    def tell(self, answers: Iterable[Answer]) -> None:
        """Gives answers to those who asked, in their order."""
        for answer in answers:
            request_id = answer.act.request_id
            asked = self._asked[request_id]
            self._waiting -= 1
            future = asked.popleft()
            if not asked:
                del self._asked[request_id]
            if not future.done():  # its client may have gone
                future.set_result(answer)

    def close(self) -> None:
        """Tells all who still wait that the gateway stops."""
        self._closed = True
        for asked in self._asked.values():
            for future in asked:
                if not future.done():
                    future.set_exception(DeskClosedError())


def audit_of(answers: Iterable[Answer], after: int) -> list[AuditEntry]:
    """The entries of the audit log that follow entry `after`: what was done, and what refused.

    An act that comes again is there already.
    """
    new = (answer for answer in answers if not answer.again)
    return [_entry(answer, sequence) for sequence, answer in enumerate(new, after + 1)]


def _entry(answer: Answer, sequence: int) -> AuditEntry:
    act = answer.act
    detail = dict(act.detail)
    if act.note:
        detail["note"] = act.note
    if act.until_t_ns is not None:
        detail["until_t_ns"] = str(act.until_t_ns)
    return AuditEntry(
        sequence=sequence,
        t_ns=answer.act_t_ns,
        operator=act.operator,
        act=act.kind,
        request_id=act.request_id,
        subject=act.subject,
        detail=detail,
        outcome=answer.refusal or DONE,
    )
