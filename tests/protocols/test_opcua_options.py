"""The options of an OPC UA device, and what the driver promises before it opens anything."""

import ast
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import protocols.opcua
from equipment import catalogue
from equipment.device import parse_devices
from protocols.driver import driver_class
from protocols.opcua.driver import OpcUaDriver
from protocols.opcua.options import OpcUaOptions

SHEARER = catalogue.load("shearer_opc40560")
LEAST = {"url": "opc.tcp://10.0.0.5", "root": "di:DeviceSet/di:Shearer1"}
DEVICES = """
[[device]]
id = "shearer1"
profile = "shearer_opc40560"
url = "opc.tcp://10.0.0.5:4841/UA"
root = "di:DeviceSet/app:Shearer1"
publish_ms = 200
security = "aes256"
user = "reader"
password_file = "secret/opcua"
certificate_folder = "state/pki"
[device.namespaces]
app = "urn:mine:app"
"""


def options(**more: Any) -> OpcUaOptions:
    return OpcUaOptions.model_validate(LEAST | more)


def test_devices_toml_makes_a_driver() -> None:
    (device,) = parse_devices(DEVICES)
    found = driver_class("opcua")
    driver = found(device.id, SHEARER, found.Options.model_validate(device.options))
    assert isinstance(driver, OpcUaDriver)
    assert driver.describe() == "opc ua opc.tcp://10.0.0.5:4841/UA di:DeviceSet/app:Shearer1"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("opc.tcp://10.0.0.5", "opc.tcp://10.0.0.5:4840"),
        ("opc.tcp://plc:4841/UA/Server", "opc.tcp://plc:4841/UA/Server"),
        ("opc.tcp://[fd00::1]", "opc.tcp://[fd00::1]:4840"),
    ],
)
def test_a_url_without_port_has_the_usual_one(given: str, meant: str) -> None:
    assert options(url=given).url == meant


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"url": "http://10.0.0.5"}, "must be opc.tcp://host:port"),
        ({"url": "opc.tcp://"}, "must be opc.tcp://host:port"),
        ({"url": "opc.tcp://plc:70000"}, "must be opc.tcp://host:port"),
        ({"url": "opc.tcp://me:secret@plc"}, "keys user and password"),
        ({"root": "di:DeviceSet//app:Shearer1"}, "a step without a browse name"),
        ({"root": ""}, "a step without a browse name"),
        ({"user": "me"}, "user goes with password"),
        ({"password": "secret"}, "user goes with password"),
        ({"user": "me", "password": "a", "password_file": "b"}, "give one of them"),
        ({"security": "aes256", "certificate": "a.der"}, "certificate and private_key go together"),
        ({"certificate_folder": "pki"}, "no use with security"),
        (
            {
                "security": "aes256",
                "certificate": "a.der",
                "private_key": "a.pem",
                "certificate_folder": "pki",
            },
            "give no other with it",
        ),
        ({"security": "basic128"}, "should be 'none', 'basic256sha256', 'aes128' or 'aes256'"),
        ({"publish_ms": 5}, "greater than or equal to 50"),
        ({"timeout_s": 0.1}, "greater than or equal to 1"),
        ({"pubish_ms": 100}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_told(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as error:
        options(**wrong)
    assert problem in str(error.value)


def test_a_password_is_not_shown() -> None:
    assert "hush-hush" not in repr(options(user="me", password="hush-hush"))


def test_root_with_an_unknown_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prefix 'app' is not in namespaces \(known: di, "):
        OpcUaDriver("shearer1", SHEARER, options(root="di:DeviceSet/app:Shearer1"))


def test_a_prefix_stands_for_one_namespace() -> None:
    with pytest.raises(ValueError, match=r"'di' stands for http://opcfoundation\.org/UA/DI/"):
        OpcUaDriver("shearer1", SHEARER, options(namespaces={"di": "urn:other"}))


def test_no_line_of_the_driver_writes_or_calls() -> None:
    forbidden = ("write", "set_value", "call", "add_node", "delete", "add_reference", "history")
    # What it takes back is its own subscription; what it writes is its own certificate.
    own = {"delete_monitored_items", "write_bytes"}
    names = {
        node.attr
        for file in Path(protocols.opcua.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert {name for name in names if name.startswith(forbidden)} <= own
