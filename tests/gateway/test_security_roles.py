"""Every method, by every role, by nobody, and by callers who must not be let in."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway.security.roles import LEAST_ROLE, Role
from tests.gateway.serve_rig import bundle_of, served
from tests.gateway.tls_rig import Secured, outcome
from tests.support.places import ROOT

FOREIGN = (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)


def methods() -> Iterator[str]:
    """All methods of the contract, of health and of reflection."""
    names = sorted(path.stem for path in (ROOT / "proto/lamproom/v1").glob("*.proto"))
    files = [import_module(f"lamproom.v1.{name}_pb2").DESCRIPTOR for name in names]
    for file in (*files, *FOREIGN):
        for service in file.services_by_name.values():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}"


def test_every_method_has_a_least_role_and_nothing_else_has() -> None:
    assert set(LEAST_ROLE) == set(methods())


async def test_every_method_lets_in_the_roles_of_the_table_and_nobody_else(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    pairs = {role: mine.issue(f"certificate-{role.word}", role) for role in Role}
    tokens = {role: mine.token(f"token-{role.word}", role) for role in Role}
    revoked = mine.issue("gone", Role.ADMIN)
    revoked_token = mine.token("gone", Role.ADMIN)
    mine.kept.revoke("gone", revoked.certificate.not_valid_before_utc)
    ended = mine.token("late", Role.ADMIN, ended=True)
    async with mine.serving(reflection=True) as rig:
        known = {
            role: (mine.by_certificate(pairs[role]), mine.by_token(tokens[role])) for role in Role
        }
        strangers = {
            "nobody": mine.by_token(),
            "wrong token": mine.by_token("lamproom_wrong"),
            "ended token": mine.by_token(ended),
            "revoked token": mine.by_token(revoked_token),
            "revoked certificate": mine.by_certificate(revoked),
        }
        there = {
            f"/{service}/{method}"
            for service, of_service in rig.server.services.table().items()
            for method in of_service
        }
        there |= {name for name in LEAST_ROLE if not name.startswith("/lamproom.")}
        there.discard("/grpc.health.v1.Health/List")  # the library has no such method yet
        for method, least in LEAST_ROLE.items():
            if method not in there:
                continue
            for role, channels in known.items():
                for channel in channels:
                    code, words = await outcome(channel, method)
                    if role >= least:
                        assert code not in REFUSALS, (method, role, words)
                        reached = code is not grpc.StatusCode.UNAVAILABLE
                        assert reached or "only just started" in words
                        continue
                    assert code is grpc.StatusCode.PERMISSION_DENIED, (method, role, words)
                    assert f"{method[1:]} needs {least.word}" in words
                    assert re.search(
                        rf"(token|certificate)-{role.word}'s role is {role.word}", words
                    )
            for who, channel in strangers.items():
                code, words = await outcome(channel, method)
                # After many wrong tokens an address has to wait.
                assert code in (
                    grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED,
                ), (method, who, words)  # fmt: skip


REFUSALS = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


async def test_a_method_that_the_table_does_not_know_is_for_nobody(tmp_path: Path) -> None:
    mine = Secured(tmp_path)
    admin = mine.issue("chief", Role.ADMIN)
    async with mine.serving() as rig:
        method = "/lamproom.v1.MineService/GetMap"
        least = dict(LEAST_ROLE)
        del least[method]
        rig.server.guard.least_role = least
        code, words = await outcome(mine.by_certificate(admin), method)
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert words == "lamproom.v1.MineService/GetMap is for nobody: chief's role is admin"


async def test_who_is_on_this_computer_has_the_role_that_the_mine_gives_them(
    tmp_path: Path,
) -> None:
    bundle = bundle_of(local_role="viewer")
    async with served(tmp_path, bundle) as rig:
        channel = rig.channel()
        code, words = await outcome(channel, "/lamproom.v1.ConfigurationService/Reload")
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert "needs engineer: your role is viewer" in words
        code, _ = await outcome(channel, "/lamproom.v1.MineService/GetMap")
        assert code is grpc.StatusCode.OK
