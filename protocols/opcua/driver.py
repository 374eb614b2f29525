"""Reads a device over OPC UA."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final

from asyncua.ua.uaerrors import UaError
from cryptography.exceptions import InvalidSignature

from equipment.opcua_profile import OpcUaProfile, split_path
from equipment.profile import Profile
from protocols.driver import DeviceError, Driver, Sink
from protocols.opcua import connection
from protocols.opcua.options import OpcUaOptions
from protocols.opcua.security import Identity, load_identity
from protocols.opcua.watch import PROBE_MAX_S, REREAD_MAX_S, Plan, Watch

#: What a request may raise besides DeviceError; `connection.explain` has words for each.
FAILURES: Final = (OSError, UaError, ValueError, struct.error, InvalidSignature)


class OpcUaDriver:
    """Subscribes to a device's points and events; never writes or calls, and changes nothing.

    Each session resolves namespaces and browse paths anew. Points whose nodes are missing are BAD
    with the reason and are looked for every few seconds, while the others flow. Unchanged values
    are confirmed at least once in the profile's `silence_s`. A reader whose events can't be had is
    down, with the reason.
    """

    Options = OpcUaOptions

    def __init__(self, device: str, profile: Profile, options: OpcUaOptions) -> None:
        """Raises ValueError where root uses a prefix that stands for no or for two namespaces."""
        assert isinstance(profile, OpcUaProfile)
        self._device = device
        self._options = options
        self._identity: Identity | None = None
        root = split_path(options.root)
        publish_ms = options.publish_ms or round(profile.scan.period_s * 1000)
        self._plan = Plan(
            device,
            root,
            profile.event,
            tuple(((*root, *point.steps), point) for point in profile.point),
            _prefixes(profile, options),
            publish_ms,
            {point.name: profile.period_s(point) for point in profile.point if point.scan},
            probe_s=min(PROBE_MAX_S, profile.scan.silence_s / 3),
            reread_s=min(REREAD_MAX_S, profile.scan.silence_s / 2),
        )

    def describe(self) -> str:
        """Such as `opc ua opc.tcp://10.0.0.5:4840 di:DeviceSet/app:Shearer1`."""
        return f"opc ua {self._options.url} {self._options.root}"

    async def session(self, sink: Sink) -> None:
        """See `Driver.session`."""
        client = connection.new_client(self._options)
        try:
            if self._options.security != "none" and self._identity is None:
                self._identity = await asyncio.to_thread(load_identity, self._options)
            await connection.connect(client, self._options, self._identity)
            await Watch(client, self._plan, sink).run()
        except DeviceError as error:
            msg = f"{self.describe()}: {error}"
            raise DeviceError(msg) from error
        except FAILURES as error:
            words = connection.explain(error, self._options, self._identity)
            msg = f"{self.describe()}: {words}"
            raise DeviceError(msg) from error
        finally:
            await connection.close(client)


def _prefixes(profile: OpcUaProfile, options: OpcUaOptions) -> dict[str, str]:
    prefixes = profile.namespaces | options.namespaces
    twice = sorted(p for p, uri in profile.namespaces.items() if prefixes[p] != uri)
    if twice:
        msg = f"namespaces: {twice[0]!r} stands for {profile.namespaces[twice[0]]} in the profile"
        raise ValueError(msg)
    unknown = sorted({prefix for prefix, _ in split_path(options.root)} - {"", *prefixes})
    if unknown:
        known = ", ".join(sorted(prefixes))
        msg = f"root: prefix {unknown[0]!r} is not in namespaces (known: {known})"
        raise ValueError(msg)
    return prefixes


if TYPE_CHECKING:

    def _is_driver(driver: OpcUaDriver) -> Driver:
        return driver
