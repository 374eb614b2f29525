"""`lamproom listen`: what devices publish, before there is a profile of them. It only listens."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.fail import fail
from gateway.cli.options import checked
from gateway.cli.show import plain, show

if TYPE_CHECKING:
    from protocols.mqtt.message import Message
    from protocols.mqtt.options import MqttOptions

#: Values of one message that are shown, and letters of each.
_VALUES_MOST: Final = 200
_LETTERS_MOST: Final = 80
#: How deep a JSON document is looked into.
_DEPTH_MOST: Final = 16
#: How often it is looked whether the time is over.
_TICK_S: Final = 0.5

listen = typer.Typer(
    help="Show what devices publish, before there is a profile of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@listen.callback()
def _listen() -> None:
    """Show what devices publish, before there is a profile of them."""


@listen.command("mqtt")
def mqtt(
    host: Annotated[str, typer.Argument(metavar="HOST", help="The broker.")],
    *,
    topic: Annotated[str, typer.Option(help="A topic, with + and # for any.")] = "#",
    port: Annotated[int | None, typer.Option(help="[default: 1883, with --tls 8883]")] = None,
    count: Annotated[int, typer.Option(min=0, help="End after so many messages; 0: never.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="End after so long; 0: never.")] = 0.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line for each message.")
    ] = False,
    version: Annotated[str, typer.Option(help="3.1.1 or 5.")] = "5",
    user: Annotated[str, typer.Option(help="Who asks.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds the user's password.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt.")] = False,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who signs the broker's certificate.")
    ] = None,
) -> None:
    """Show the messages of an MQTT broker.

    Of a JSON message each value stands under its JSON Pointer, as a profile names it; of a
    Sparkplug B message each metric with its value. It only subscribes. Status 1 when nothing came.
    """
    from protocols.driver import DeviceError
    from protocols.mqtt.options import MqttOptions

    options = checked(
        MqttOptions,
        {"host": "HOST"},
        host=host,
        port=port,
        topic="any",  # that of a device has no wildcards; what is listened to is asked for apart
        version=version,
        user=user or None,
        password_file=password_file,
        tls=tls,
        ca_file=ca_file,
    )
    try:
        came = asyncio.run(_print(options, topic, count, seconds, as_json=as_json))
    except DeviceError as error:
        fail(f"{host}: {error}")
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    if not came:
        fail(f"{host}: nothing came on {topic}")


async def _print(
    options: MqttOptions, topic: str, count: int, seconds: float, *, as_json: bool
) -> int:
    """Prints what comes; returns how many messages that were. Raises DeviceError."""
    came = 0
    async with aclosing(_messages(options, topic, seconds)) as messages:
        async for message in messages:
            came += 1
            show(_json_line(message) if as_json else "\n".join(_lines(message)))
            if came == count:
                break
    return came


async def _messages(options: MqttOptions, topic: str, seconds: float) -> AsyncGenerator[Message]:
    """What comes, until the time is over. Raises DeviceError."""
    from protocols.driver import DeviceError
    from protocols.mqtt import connection

    client_id = f"lamproom-listen-{uuid.uuid4().hex[:8]}"
    client = None
    try:
        client = await connection.open_client(options, client_id, persistent=False)
        await client.connect()
        if refused := await client.listen((topic,), 0):
            msg = f"the broker refuses the subscription of {topic} (code 0x{refused[0][1]:02x})"
            raise DeviceError(msg)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds if seconds else float("inf")
        while (left_s := end_s - loop.time()) > 0:
            for message in await client.arrived(min(_TICK_S, left_s)):
                yield message
                client.done(message)
    except connection.FAILURES as error:
        complaint = client.complaint if client else ""
        raise DeviceError(connection.explain(error, options, client_id, complaint)) from error
    finally:
        if client is not None:
            await client.close()


def _lines(message: Message) -> Iterator[str]:
    kept = " (retained: old by an unknown time)" if message.retain else ""
    yield plain(f"{message.topic}{kept}")
    for number, (name, value) in enumerate(_values(message)):
        if number == _VALUES_MOST:
            yield "  ..."
            return
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield plain(f"  {name} = {text if len(text) <= _LETTERS_MOST else text[:_LETTERS_MOST]}")


def _json_line(message: Message) -> str:
    shown = {"topic": message.topic, "retained": message.retain, "values": dict(_values(message))}
    return json.dumps(shown, ensure_ascii=False)


def _values(message: Message) -> Iterator[tuple[str, Any]]:
    """What is in a message, by JSON Pointer or by the name of the metric."""
    if message.topic.startswith("spBv1.0/"):
        yield from _metrics(message.payload)
        return
    try:
        document = json.loads(message.payload)
    except (ValueError, RecursionError):
        yield "", message.payload.decode("utf-8", "backslashreplace")
        return
    yield from _pointers("", document)


def _metrics(payload: bytes) -> Iterator[tuple[str, Any]]:
    from protocols.mqtt.wire import MalformedError, decode

    try:
        metrics = decode(payload).metrics
    except MalformedError as error:
        yield "", f"no Sparkplug B payload ({error})"
        return
    for metric in metrics:
        name = metric.name or f"alias {metric.alias}"
        value = metric.value
        yield name, value.hex() if isinstance(value, bytes) else value


def _pointers(pointer: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The values of a document by their JSON Pointers (RFC 6901)."""
    if depth < _DEPTH_MOST and isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            token = str(key).replace("~", "~0").replace("/", "~1")
            yield from _pointers(f"{pointer}/{token}", item, depth + 1)
    else:
        yield pointer, value
