"""The configuration that runs: told to clients, and read again for operators."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from equipment.toml_source import Mistake
from gateway.clock import Clock
from gateway.config.bundle import Bundle
from gateway.config.comparison import FileChange
from gateway.desk import DeskClosedError, DeskFullError
from gateway.mine.change import Act, ActKind, Answer
from gateway.serve.acting import act_of, refused_by_desk
from gateway.serve.encode import heartbeat_message, sync_message
from gateway.serve.failure import RequestError
from gateway.serve.wake import Signal
from lamproom.v1 import configuration_pb2
from lamproom.v1.configuration_pb2 import WatchConfigurationResponse


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What became of a configuration that was read again: taken over, unless it has mistakes.

    `answer` is there where an operator has asked for it.
    """

    mistakes: tuple[Mistake, ...] = ()
    changes: tuple[FileChange, ...] = ()
    answer: Answer | None = None


AskReload = Callable[[Act], Awaitable[ReloadOutcome]]


class ConfigurationHub:
    """Serves the configuration. On the event loop only."""

    def __init__(
        self, bundle: Bundle, ask: AskReload | None, heartbeat_s: float, now_ns: Clock
    ) -> None:
        self._ask = ask
        self._heartbeat_s = heartbeat_s
        self._now_ns = now_ns
        self._signal = Signal()
        self._number = 0
        self.use(bundle)

    def use(self, bundle: Bundle) -> None:
        """Takes over a configuration, and tells it."""
        self._number += 1
        self._code = bundle.settings.mine.code
        #: What runs now.
        self.message = configuration_pb2.Configuration(
            version=bundle.settings.mine.version or "",
            digest=bundle.digest,
            number=self._number,
            timezone=bundle.settings.mine.timezone,
        )
        self.message.load_time.FromNanoseconds(self._now_ns())
        self._signal.fire()

    def close(self) -> None:
        """Ends all streams."""
        self._signal.close()

    def get(
        self, _request: configuration_pb2.GetConfigurationRequest
    ) -> configuration_pb2.GetConfigurationResponse:
        """What runs now."""
        return configuration_pb2.GetConfigurationResponse(configuration=self.message)

    async def watch(
        self, _request: configuration_pb2.WatchConfigurationRequest
    ) -> AsyncGenerator[bytes]:
        """The messages of one `WatchConfiguration`, for ever.

        Raises:
            RequestError: the gateway is stopping.
        """
        seen, synced = 0, False
        while True:
            self._signal.check()
            if seen < self._number:
                seen = self._number
                yield _wrap(configuration=self.message)
            elif not synced:
                synced = True
                yield _wrap(sync=sync_message(self._now_ns()))
            elif not await self._signal.wait(self._heartbeat_s):
                yield _wrap(heartbeat=heartbeat_message(self._now_ns()))

    async def reload(
        self, request: configuration_pb2.ReloadRequest
    ) -> configuration_pb2.ReloadResponse:
        """Reads it again. Raises RequestError: a wrong act, or the gateway is stopping."""
        act = act_of(ActKind.CONFIGURATION_RELOAD, request.act, self._code)
        if self._ask is None:
            msg = "this gateway has no folder to read again"
            raise RequestError(grpc.StatusCode.UNIMPLEMENTED, msg)
        try:
            outcome = await self._ask(act)
        except (DeskFullError, DeskClosedError) as error:
            raise refused_by_desk(error) from None
        assert outcome.answer is not None
        response = configuration_pb2.ReloadResponse(
            accepted=not outcome.answer.refusal,
            mistakes=[_mistake(one) for one in outcome.mistakes],
            changes=[
                configuration_pb2.ConfigurationChange(file=one.file, changes=one.changes)
                for one in outcome.changes
            ],
            configuration=self.message,
        )
        response.result.act_time.FromNanoseconds(outcome.answer.act_t_ns)
        response.result.repeated_request = outcome.answer.again
        response.result.unstored = outcome.answer.unstored
        return response


def _mistake(mistake: Mistake) -> configuration_pb2.ConfigurationMistake:
    return configuration_pb2.ConfigurationMistake(
        file=mistake.file,
        line=mistake.line,
        key=mistake.key,
        problem=mistake.problem,
        remedy=mistake.remedy,
    )


def _wrap(**message: Any) -> bytes:
    return WatchConfigurationResponse(**message).SerializeToString()
