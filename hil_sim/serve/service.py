"""The simulator's own gRPC service: what is true, how time goes, and what goes wrong."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from hil_sim.folder import SimulationError
from hil_sim.pace import SPEED_MAX, SPEED_MIN
from hil_sim.serve.fault_messages import fault_message, fault_of
from hil_sim.serve.truth_messages import pace_message, truth_message
from hil_sim.simulation import ControlError, Simulation
from hil_sim.world import STEP_S
from lamproom.sim.v1 import simulator_pb2 as pb

SERVICE: Final = "lamproom.sim.v1.SimulatorService"

#: Only programs on this computer are served.
_HOST: Final = "127.0.0.1"

#: The longest that is stepped at once, or lies between two truths.
LONGEST_S: Final = 86_400.0

Request = TypeVar("Request", bound=Message)


class RequestError(Exception):
    """A request can't be answered: the gRPC code, and words for whoever asked."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def invalid(text: str) -> NoReturn:
    """Raises what tells a client that its request is wrong."""
    raise RequestError(grpc.StatusCode.INVALID_ARGUMENT, text)


class SimulatorServer:
    """Serves one simulation on a port of this computer."""

    def __init__(self, simulation: Simulation) -> None:
        """Does nothing yet; `start` does."""
        self._simulation = simulation
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int) -> int:
        """Listens; returns the port.

        Raises:
            SimulationError: the port can't be had.
        """
        # Two simulators must not share a port unnoticed.
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handlers = grpc.method_handlers_generic_handler(SERVICE, self._methods())
        server.add_generic_rpc_handlers((handlers,))
        try:
            port = server.add_insecure_port(f"{_HOST}:{port}")
        except RuntimeError:
            msg = (
                f"--grpc-port {port} can't be listened on at {_HOST}: end the program that does, "
                "or give another; 0 takes a free one"
            )
            raise SimulationError(msg) from None
        await server.start()
        self._server = server
        return port

    async def stop(self) -> None:
        """Ends all calls."""
        if self._server is not None:
            await self._server.stop(None)

    def _methods(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        return {
            "GetTruth": unary(pb.GetTruthRequest, self._get_truth),
            "WatchTruth": _stream(pb.WatchTruthRequest, self._watch_truth),
            "Pause": unary(pb.PauseRequest, self._pause),
            "Resume": unary(pb.ResumeRequest, self._resume),
            "Step": unary(pb.StepRequest, self._step),
            "SetSpeed": unary(pb.SetSpeedRequest, self._set_speed),
            "InjectFault": unary(pb.InjectFaultRequest, self._inject_fault),
            "EndFault": unary(pb.EndFaultRequest, self._end_fault),
            "ListFaults": unary(pb.ListFaultsRequest, self._list_faults),
        }

    async def _get_truth(self, _request: pb.GetTruthRequest) -> pb.GetTruthResponse:
        simulation = self._simulation
        return pb.GetTruthResponse(truth=truth_message(simulation.newest, simulation.world.cards))

    async def _watch_truth(self, request: pb.WatchTruthRequest) -> AsyncIterator[Message]:
        simulation = self._simulation
        every = 1
        if request.HasField("period"):
            every = math.ceil(_seconds("period", request.period) / STEP_S - 1e-6)
        parts = {"with_cards": not request.without_cards, "machines": not request.without_machines}
        snapshot, missed = simulation.newest, 0
        while True:
            truth = truth_message(snapshot, simulation.world.cards, **parts)
            yield pb.WatchTruthResponse(truth=truth, missed_steps=missed)
            due = snapshot.step + every
            snapshot = (await simulation.after(due - 1))[0]
            missed = snapshot.step - due

    async def _pause(self, _request: pb.PauseRequest) -> pb.PauseResponse:
        self._simulation.pause()
        return pb.PauseResponse(pace=pace_message(self._simulation))

    async def _resume(self, _request: pb.ResumeRequest) -> pb.ResumeResponse:
        self._simulation.resume()
        return pb.ResumeResponse(pace=pace_message(self._simulation))

    async def _step(self, request: pb.StepRequest) -> pb.StepResponse:
        seconds = _seconds("duration", request.duration)
        try:
            whole = await self._simulation.step(seconds)
        except ControlError as error:
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from None
        if not whole:
            text = "the world was paused or resumed before the step was over"
            raise RequestError(grpc.StatusCode.ABORTED, text)
        return pb.StepResponse(pace=pace_message(self._simulation))

    async def _set_speed(self, request: pb.SetSpeedRequest) -> pb.SetSpeedResponse:
        if not SPEED_MIN <= request.speed <= SPEED_MAX:
            invalid(f"speed must be {SPEED_MIN:g} to {SPEED_MAX:g}, not {request.speed:g}")
        self._simulation.set_speed(request.speed)
        return pb.SetSpeedResponse(pace=pace_message(self._simulation))

    async def _inject_fault(self, request: pb.InjectFaultRequest) -> pb.InjectFaultResponse:
        for_s = _seconds("duration", request.duration) if request.HasField("duration") else None
        try:
            active = await self._simulation.inject(fault_of(request.spec), for_s)
        except ValueError as error:
            invalid(str(error))
        except ControlError as error:
            raise RequestError(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from None
        return pb.InjectFaultResponse(fault=fault_message(active))

    async def _end_fault(self, request: pb.EndFaultRequest) -> pb.EndFaultResponse:
        active = await self._simulation.end_fault(request.number)
        if active is None:
            text = f"there is no fault {request.number} now"
            raise RequestError(grpc.StatusCode.NOT_FOUND, text)
        return pb.EndFaultResponse(fault=fault_message(active))

    async def _list_faults(self, _request: pb.ListFaultsRequest) -> pb.ListFaultsResponse:
        active = self._simulation.book.active
        return pb.ListFaultsResponse(faults=[fault_message(one) for one in active])


def _seconds(name: str, duration: Duration) -> float:
    seconds = duration.seconds + duration.nanos / 1e9
    if not 0 < seconds <= LONGEST_S:
        invalid(f"{name} must be more than 0 and at most {LONGEST_S:g} s, not {seconds:g} s")
    return seconds


def unary(
    request_type: type[Request], answer: Callable[[Request], Awaitable[Message]]
) -> grpc.RpcMethodHandler[Request, Message]:
    """A method that gives one answer."""

    async def handle(request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        try:
            return await answer(request)
        except RequestError as error:
            await context.abort(error.code, error.text)

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=request_type.FromString,
        response_serializer=_bytes,
    )


def _stream(
    request_type: type[Request], watch: Callable[[Request], AsyncIterator[Message]]
) -> grpc.RpcMethodHandler[Request, Message]:
    """A method whose answers go on and on."""

    async def handle(request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        try:
            async for message in watch(request):
                await context.write(message)
        except RequestError as error:
            await context.abort(error.code, error.text)

    return grpc.unary_stream_rpc_method_handler(
        handle,
        request_deserializer=request_type.FromString,
        response_serializer=_bytes,
    )


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()
