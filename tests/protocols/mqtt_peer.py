"""What the MQTT tests share: mosquitto with a configuration of its own, and who publishes to it."""

import datetime
import ipaddress
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from equipment.catalogue import parse_profile
from equipment.mqtt_profile import MqttProfile
from protocols.mqtt.driver import MqttDriver
from protocols.mqtt.options import MqttOptions
from tests.support.ports import free_port
from tests.support.processes import Process

PROFILE = """
id = "pump"
title = { en = "Pump", zh = "水泵" }
kind = "machine"
protocol = "mqtt"
scan = { period_s = 0.5, silence_s = 2.0 }
"""
UWB = """
id = "uwb_mqtt"
title = { en = "UWB", zh = "UWB" }
kind = "uwb_reader"
protocol = "mqtt"
time = { pointer = "/sent", unit = "ms" }

[records]
topic = "ranges"
pointer = "/records"
field = [
  { name = "t_us", pointer = "/t", type = "time", unit = "us" },
  { name = "card", pointer = "/card", type = "text" },
  { name = "anchor", pointer = "/anchor", type = "text" },
  { name = "range_m", pointer = "/mm", type = "number", scale = 0.001 },
  { name = "rssi_dbm", pointer = "/rssi", type = "number" },
  { name = "flags", pointer = "/flags", type = "whole" },
]
"""


def machine(*points: str, more: str = "") -> MqttProfile:
    """A machine with points such as `name="a"; pointer="/a"`."""
    text = PROFILE + more
    for point in points:
        lines = "\n".join(part.strip() for part in point.split(";"))
        text += f'\n[[point]]\nmeaning = {{ en = "x", zh = "x" }}\n{lines}\n'
    return parsed(text, "pump.toml")


def parsed(text: str, file: str) -> MqttProfile:
    profile = parse_profile(text, file)
    assert isinstance(profile, MqttProfile)
    return profile


def driver_for(profile: MqttProfile, port: int, **options: Any) -> MqttDriver:
    words = {"host": "127.0.0.1", "port": port, "topic": "mine/pump1"} | options
    return MqttDriver("dev", profile, MqttOptions.model_validate(words))


class Broker(Process):
    """A mosquitto in a process of its own, which keeps what it has taken even when it is killed."""

    def __init__(self, folder: Path, *lines: str, port: int = 0) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
        self.port = port or free_port()
        store = folder / "store"
        store.mkdir(exist_ok=True)
        login = [] if any(line.startswith("password_file") for line in lines) else ["true"]
        configuration = [
            "user root" if folder.owner() == "root" else "",
            f"listener {self.port} 127.0.0.1",
            *(f"allow_anonymous {yes}" for yes in login),
            *lines,
            "persistence true",
            f"persistence_location {store}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "log_type all",
            "log_dest stderr",
        ]
        file = folder / f"mosquitto-{self.port}.conf"
        file.write_text("\n".join(configuration) + "\n")
        super().__init__([program, "-c", file], folder, "mosquitto")
        self.wait_for(lambda: "running" in self.err)


@asynccontextmanager
async def publishing(port: int, **options: Any) -> AsyncIterator[aiomqtt.Client]:
    """A client of the broker that is nobody's device in particular."""
    async with aiomqtt.Client("127.0.0.1", port, **options) as client:
        yield client


def passwords(folder: Path, **users: str) -> str:
    """The line of a configuration that lets only these users in."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed (apt-get install mosquitto)")
    file = folder / "passwords"
    file.touch()
    for user, password in users.items():
        subprocess.run([program, "-b", file, user, password], check=True, capture_output=True)
    return f"password_file {file}"


class Authority:
    """A CA of a test, and what it has signed."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lamproom {name}")])
        self.file = folder / f"{name}.pem"
        own = self._builder(self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        signed = own.sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: Any, days: int = 2) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def sign(self, name: str, *, host: str | None = None, days: int = 2) -> tuple[Path, Path]:
        """A certificate and its key; for a server at `host`, an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), days)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
            critical=False,
        )
        if host is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        certificate_file = self._folder / f"{name}.crt"
        key_file = self._folder / f"{name}.key"
        certificate = builder.sign(self._key, hashes.SHA256())
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file
