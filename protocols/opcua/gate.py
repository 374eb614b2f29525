"""What may be asked of a server: sessions, looking, and being told. Nothing that changes it."""

from __future__ import annotations

from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol

#: Services of OPC 10000-4 that change nothing but the client's own session and subscriptions.
READS: Final = frozenset(
    {
        ua.GetEndpointsRequest,
        ua.OpenSecureChannelRequest,
        ua.CloseSecureChannelRequest,
        ua.CreateSessionRequest,
        ua.ActivateSessionRequest,
        ua.CloseSessionRequest,
        ua.BrowseRequest,
        ua.BrowseNextRequest,
        ua.TranslateBrowsePathsToNodeIdsRequest,
        ua.ReadRequest,
        ua.CreateSubscriptionRequest,
        ua.DeleteSubscriptionsRequest,
        ua.CreateMonitoredItemsRequest,
        ua.DeleteMonitoredItemsRequest,
        ua.PublishRequest,
    }
)


class ReadOnlyError(Exception):
    """Something that could change a server was about to be sent."""


def let_only_reads_out(client: Client) -> None:
    """Every request of `client`, whoever makes it, is checked before it is laid out.

    A request that may not be sent raises ReadOnlyError where it is made. Encrypted or not, all that
    the library sends after its hello goes through this one call.
    """
    library = client.uaclient
    make = library._make_protocol  # noqa: SLF001 - where the library makes each connection

    def make_checked() -> UASocketProtocol:
        protocol = make()
        send = protocol._send_request  # noqa: SLF001 - the one way to the socket

        def send_checked(request: Any, *given: Any, **named: Any) -> Any:
            if type(request) not in READS:
                msg = f"{type(request).__name__} was not sent: this gateway only reads"
                raise ReadOnlyError(msg)
            return send(request, *given, **named)

        protocol._send_request = send_checked  # type: ignore[method-assign]  # noqa: SLF001 - as above
        return protocol

    library._make_protocol = make_checked  # type: ignore[method-assign]  # noqa: SLF001 - as above
