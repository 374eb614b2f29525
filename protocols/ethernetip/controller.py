"""One connection to a Logix controller, asked in a thread of its own.

pycomm3 has the session, the connection to the controller (large where it takes that) and the
frames. What is asked is laid out, and what is answered is checked, by us: pycomm3's own reading
takes a value for what the list of tags said when it connected, whatever type comes, so that a
program that was changed meanwhile would give wrong numbers; it lets nobody see the controller's
state; and works the requests out anew each time.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from pycomm3 import CIPDriver
from pycomm3.exceptions import PycommError

from protocols.driver import DeviceError
from protocols.ethernetip import cip
from protocols.ethernetip.options import EthernetIpOptions
from protocols.ethernetip.refusal import all_refused, connection_refused
from protocols.ethernetip.wire import Wire, WireError
from protocols.tcp import connect, unconnected

#: How long saying goodbye may take: what is not closed lives on in the controller for a while.
GOODBYE_S: Final = 0.5

_T = TypeVar("_T")

#: What pycomm3 raises, of itself and of answers that it can't make anything of.
_FAILURES: Final = (PycommError, OSError, ValueError, TypeError, struct.error)


class _Client(CIPDriver):
    """pycomm3's client over a socket of ours. Unlike its `LogixDriver` it has no `write`."""

    def __init__(self, slot: int, wire: Wire) -> None:
        # The name is not looked up: the wire is connected.
        super().__init__(f"controller/bp/{slot}")
        self._sock = wire  # type: ignore[assignment]  # it has the calls of the library's own


class Controller:
    """Reads tags; there is no call that could change anything, and the wire would not send it."""

    def __init__(self, options: EthernetIpOptions) -> None:
        self._options = options
        self._wire: Wire | None = None
        self._client: CIPDriver | None = None
        self._thread = ThreadPoolExecutor(1, "ethernetip")

    @property
    def size(self) -> int:
        """Bytes of the largest request, and of the largest answer."""
        assert self._client is not None
        size: int = self._client.connection_size
        return size

    async def open(self) -> None:
        """Connects to the controller.

        Raises:
            DeviceError: it can't be reached, or refuses.
        """
        options = self._options
        try:
            async with asyncio.timeout(options.timeout_s):
                connected = await connect(options.host, options.port)
        except OSError as error:
            refused = "the controller runs"
            raise unconnected(error, options.host, options.timeout_s, refused) from error
        self._wire = Wire(connected, options.timeout_s)
        self._client = _Client(options.slot, self._wire)
        await self._run(self._open)

    def _open(self) -> None:
        assert self._client is not None
        self._client.open()
        # The connection to the controller is opened with the first request.
        self._ask([cip.READ_STATUS])

    async def ask(self, requests: Sequence[bytes]) -> list[cip.Part]:
        """Asks several things at once; as many answers, in their order.

        Raises:
            DeviceError: no answer came, or one that makes no sense.
        """
        return await self._run(lambda: self._ask(requests))

    def _ask(self, requests: Sequence[bytes]) -> list[cip.Part]:
        assert self._client is not None
        assert self._wire is not None
        class_code, instance = cip.MESSAGE_ROUTER
        answer = self._client.generic_message(
            cip.MULTIPLE_SERVICE, class_code, instance, request_data=cip.merged(requests)
        )
        status, extended = self._wire.status
        if status not in (0, cip.ONE_FAILED):
            raise DeviceError(all_refused(status, extended))
        if not isinstance(answer.value, bytes):
            msg = f"pycomm3 finds {answer.error}"
            raise cip.NonsenseError(msg)
        return cip.parts_of(answer.value, len(requests))

    async def _run(self, call: Callable[[], _T]) -> _T:
        """Calls in the thread. Raises DeviceError where that fails."""
        try:
            return await asyncio.wrap_future(self._thread.submit(call))
        except cip.NonsenseError as error:
            msg = f"its answer makes no sense ({error}): check that it is a Logix controller"
            raise DeviceError(msg) from error
        except _FAILURES as error:
            raise DeviceError(self._explain(error)) from error

    def _explain(self, error: BaseException) -> str:
        assert self._wire is not None
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, WireError):
                return str(cause)
            cause = cause.__cause__
        status, extended = self._wire.status
        if status:
            return connection_refused(status, extended, self._options.slot)
        return f"its answer makes no sense ({error}): check that it is a Logix controller"

    async def close(self) -> None:
        """Takes leave where that is quick, and leaves neither connection nor thread behind."""
        if self._wire is not None and self._client is not None:
            if not self._wire.broken:
                leaving = asyncio.wrap_future(self._thread.submit(_leave, self._client))
                await asyncio.wait({leaving}, timeout=GOODBYE_S)
            # Whatever the thread waits for ends now.
            self._wire.cut()
            await asyncio.wrap_future(self._thread.submit(self._wire.close))
        self._thread.shutdown(wait=False)


def _leave(client: CIPDriver) -> None:
    with suppress(*_FAILURES):  # It is left anyway.
        client.close()
