"""Who makes the call that runs: for services that ask."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from gateway.security.roles import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    #: By certificate or token; empty where callers need not say who they are.
    name: str
    role: Role
    #: From where, as gRPC says it: `ipv4:10.1.0.7:41234`.
    peer: str
    #: It may act under other names than its own.
    on_behalf: bool = False


#: Where no call runs, as in a test of a service by itself: nobody.
_NOBODY: Final = Caller("", Role.VIEWER, "")

_CURRENT: ContextVar[Caller] = ContextVar("caller", default=_NOBODY)


def current() -> Caller:
    """Who makes the call that runs. Also in what the call awaits, and in tasks that it starts."""
    return _CURRENT.get()


def begin(caller: Caller) -> None:
    """From here on this call is `caller`'s; each call of gRPC is a task with its own variables."""
    _CURRENT.set(caller)
