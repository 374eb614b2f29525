"""docs/security.md and the samples over TLS of docs/clients.md: what they show is run."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.commands import app
from gateway.config.bundle import load
from gateway.security.authority import hosts_of
from gateway.security.folder import CertificateFolder
from gateway.security.roles import LEAST_ROLE, Role
from gateway.security.tokens import parse
from hil_sim.sample_mine import write_sample_mine
from tests.gateway.serve_rig import bundle_of
from tests.gateway.tls_rig import Secured
from tests.support.places import PEERS, ROOT, missing_node
from tests.support.waiting import LONG_S

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
CLIENTS = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
MISSING = missing_node("@grpc/grpc-js")


def block(page: str, kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)
    return str(found)


def test_the_set_up_from_nothing_is_as_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample_mine(tmp_path / "my-mine", people=10)
    settings = tmp_path / "my-mine" / "mine.toml"
    text = settings.read_text(encoding="utf-8")
    fresh = block(PAGE, r"toml mine\.toml")
    settings.write_text(re.sub(r"\[grpc\]\n(\w+ = .*\n)*", fresh, text), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    said = {}
    for line in block(PAGE, "sh").splitlines():
        program, *words = line.split()
        assert program == "lamproom"
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (line, result.output)
        said[line] = result.output
    shown = said["lamproom certs list my-mine"]
    for name, role in (("chief", "admin"), ("screen", "viewer"), ("tablet", "viewer")):
        assert re.search(rf"^{name} +{role} +good ", shown, re.MULTILINE)
    assert re.search(r"^control-room +operator on-behalf +good ", shown, re.MULTILINE)
    assert "gRPC with TLS at 0.0.0.0:" in said["lamproom check my-mine"]
    kept = CertificateFolder(tmp_path / "my-mine" / "certs")
    hosts = {"gw.mine.example", "10.1.0.2", "localhost"}
    assert hosts <= set(_hosts(kept))
    assert load(tmp_path / "my-mine").settings.grpc.secured is not None


def _hosts(kept: CertificateFolder) -> tuple[str, ...]:
    return hosts_of(kept.newest("server"))


def test_the_table_of_roles_is_that_of_the_gateway() -> None:
    for role in Role:
        (row,) = re.findall(rf"^\| `{role.word}` \| (.*) \|$", PAGE, re.MULTILINE)
        shown = {
            f"{service.removeprefix('lamproom.v1.')}/{method}"
            for part in row.split("; ")
            for service, _, methods in [part.partition(": ")]
            for method in re.findall("`([A-Za-z]+)`", methods)
        }
        least = {name for name, one in LEAST_ROLE.items() if one is role}
        assert shown == {name.lstrip("/").removeprefix("lamproom.v1.") for name in least}


def test_the_file_of_tokens_that_is_shown_is_one() -> None:
    (token,) = parse(block(PAGE, r"toml tokens\.toml"))
    assert (token.identity.name, token.identity.role) == ("tablet", Role.VIEWER)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("python tls", "client.py"),
        ("python token", "client.py"),
        pytest.param(
            "js tls", "client.js", marks=pytest.mark.skipif(MISSING != "", reason=MISSING)
        ),
    ],
)
async def test_the_clients_over_tls_that_are_shown_run(
    tmp_path: Path, kind: str, name: str
) -> None:
    mine = Secured(tmp_path)
    mine.issue("screen", Role.VIEWER)
    certs = mine.kept.folder
    (certs / "tablet.token").write_text(mine.token("tablet", Role.VIEWER) + "\n")
    (certs / "proto").symlink_to(ROOT / "proto")
    (certs / "node_modules").symlink_to(PEERS / "node_modules")
    async with mine.serving(bundle_of(folder=tmp_path, tls={"token_port": 0})) as rig:
        ports = {"50051": rig.port, "50052": rig.server.token_port}
        sample = block(CLIENTS, kind)
        for shown, port in ports.items():
            sample = sample.replace(f"gw.mine.example:{shown}", f"localhost:{port}")
        (certs / name).write_text(sample)
        program = "node" if name.endswith("js") else sys.executable
        client = await asyncio.create_subprocess_exec(
            program, name, cwd=certs, env={**os.environ, "PYTHONPATH": str(ROOT / "proto")},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(LONG_S):
            out, err = await client.communicate()
    assert out.decode() == "一号煤矿\n", err.decode()
