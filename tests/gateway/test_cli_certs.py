"""`lamproom certs`: what it says and refuses; and how commands find certificates."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.cli.channel import Target, target_of
from gateway.cli.commands import app
from gateway.security.folder import CertificateFolder
from gateway.security.identity import Identity
from gateway.security.material import now
from gateway.security.roles import Role

MINE = '[mine]\ncode = "140100000001"\nname = "示例矿"\n'
VARIABLES = ("CA", "CERT", "KEY", "TOKEN_FILE", "NAME")


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["certs", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(f"LAMPROOM_{name}", raising=False)
    (tmp_path / "mine.toml").write_text(f"{MINE}[grpc.tls]\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def kept(mine: Path) -> CertificateFolder:
    status, said = run("init", mine, "--host", "gw.mine.example")
    assert (status, "gw.mine.example, 127.0.0.1, localhost, ::1" in said) == (0, True), said
    return CertificateFolder(mine / "certs")


def test_a_certificate_is_issued_renewed_shown_and_revoked(
    mine: Path, kept: CertificateFolder
) -> None:
    assert run("issue", mine, "张伟", "--role", "operator")[0] == 0
    before = kept.newest("张伟")
    assert run("renew", mine, "张伟") == (
        0, f"{kept.folder}/张伟.pem and .key are new\n",
    )  # fmt: skip
    assert kept.newest("张伟") != before
    status, said = run("show", mine, "张伟")
    assert status == 0
    assert "张伟: operator, good" in said
    assert f"serial {kept.newest('张伟').serial_number:x}" in said
    assert run("revoke", mine, "张伟") == (0, "张伟: 2 certificates and 0 tokens are revoked\n")
    assert run("list", mine)[1].count("revoked") == 2


def test_those_that_end_soon_are_renewed_together(mine: Path, kept: CertificateFolder) -> None:
    assert run("renew", mine) == (0, "none ends within 30 days\n")
    for name in ("soon", "gone", "late"):
        kept.issue(Identity(name, Role.VIEWER), 20, now())
    kept.issue(Identity("over", Role.VIEWER), 1, now() - timedelta(days=2))
    kept.revoke("gone", now())
    status, said = run("renew", mine)
    assert status == 0
    renewed = {line.partition(".pem")[0].rpartition("/")[2] for line in said.splitlines()}
    assert renewed == {"soon", "late", "over"}


def test_another_gateway_gets_a_certificate_of_its_own(mine: Path, kept: CertificateFolder) -> None:
    assert run("issue", mine, "gw2", "--server", "--host", "gw2.mine.example")[0] == 0
    assert "for gw2.mine.example, localhost" in run("show", mine, "gw2")[1]


def test_a_folder_elsewhere_is_used(mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "elsewhere"
    assert run("init", mine, "--out", out)[0] == 0
    assert run("issue", mine, "chief", "--role", "admin", "--out", out)[0] == 0
    assert not (mine / "certs").exists()
    assert (out / "chief.key").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["issue", "chief"], "'' is no role: write viewer, operator, engineer or admin"),
        (["issue", "chief", "--role", "root"], "'root' is no role"),
        (["issue", "ca", "--role", "admin"], "is the name of a file of the authority's own"),
        (["issue", "gw", "--server", "--role", "admin"], "a server has no role"),
        (["issue", "a", "--role", "viewer", "--host", "b"], "only a server's certificate names"),
        (["issue", "gw", "--server", "--host", "a b"], "neither an IP address nor a host's name"),
        (["renew", "nobody"], "'nobody' has no certificate"),
        (["revoke", "nobody"], "nothing was issued to it"),
        (["show", "nobody"], "'nobody' has no certificate"),
        (["token", "a/b", "--role", "viewer"], "is no name"),
        (["init"], "there is an authority already"),
    ],
)
def test_what_can_not_be_done_is_said(
    mine: Path, kept: CertificateFolder, arguments: list[str], text: str
) -> None:
    assert kept.folder.exists()
    command, *rest = arguments
    status, said = run(command, mine, *rest)
    assert status == 1
    assert text in said


def test_without_an_authority_nothing_is_issued(mine: Path) -> None:
    status, said = run("issue", mine, "chief", "--role", "admin")
    assert status == 1
    assert "ca.pem: there is no such file" in said or "revoked.pem" in said


def test_a_mine_that_is_none_is_named(tmp_path: Path) -> None:
    status, said = run("init", tmp_path / "none")
    assert status == 1
    assert "there is no such folder" in said


def test_a_command_takes_the_only_key_of_the_mines_folder(
    mine: Path, kept: CertificateFolder, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("gateway.cli.channel._user", lambda: "zhang")
    with pytest.raises(typer.Exit):
        target_of(str(mine))
    assert "has no key of a caller: `lamproom certs issue" in capsys.readouterr().err
    one = kept.issue(Identity("chief", Role.ADMIN), 30, now())
    found = target_of(str(mine)).credentials
    assert found
    assert (found.certificate, found.key) == (one.certificate_pem, one.key_pem)
    kept.issue(Identity("screen", Role.VIEWER), 30, now())
    with pytest.raises(typer.Exit):
        target_of(str(mine))
    assert "has keys of chief, screen: say which by LAMPROOM_NAME" in capsys.readouterr().err
    mine_own = kept.issue(Identity("zhang", Role.VIEWER), 30, now())
    found = target_of(str(mine)).credentials
    assert found
    assert found.key == mine_own.key_pem
    monkeypatch.setenv("LAMPROOM_NAME", "chief")
    found = target_of(str(mine)).credentials
    assert found
    assert found.key == one.key_pem


def test_variables_stand_before_the_folder(
    mine: Path, kept: CertificateFolder, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert target_of("127.0.0.1:50051") == Target("127.0.0.1:50051")
    token = mine / "token"
    token.write_text("lamproom_abc\n")
    monkeypatch.setenv("LAMPROOM_TOKEN_FILE", str(token))
    with pytest.raises(typer.Exit):
        target_of(str(mine))
    assert "set LAMPROOM_CA as well" in capsys.readouterr().err
    monkeypatch.setenv("LAMPROOM_CA", str(kept.folder / "ca.pem"))
    found = target_of("127.0.0.1:50052").credentials
    assert found
    assert (found.token, found.key) == ("lamproom_abc", b"")
    monkeypatch.setenv("LAMPROOM_CERT", str(kept.folder / "chief.pem"))
    with pytest.raises(typer.Exit):
        target_of(str(mine))
    assert "LAMPROOM_CERT and LAMPROOM_KEY go together" in capsys.readouterr().err
    monkeypatch.setenv("LAMPROOM_KEY", str(kept.folder / "chief.key"))
    with pytest.raises(typer.Exit):
        target_of(str(mine))
    assert "chief.pem: it can't be read: No such file" in capsys.readouterr().err
