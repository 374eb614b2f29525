"""The options of an MQTT device, and what the driver promises before it opens anything."""

from typing import Any

import pytest
from pydantic import ValidationError

from equipment.device import parse_devices
from protocols.driver import driver_class
from protocols.mqtt.driver import MqttDriver
from protocols.mqtt.options import MqttOptions
from tests.protocols.mqtt_peer import machine

LEAST = {"host": "10.0.0.5", "topic": "mine/pump1"}
DEVICES = """
[[device]]
id = "pump1"
profile = "pump"
host = "10.0.0.5"
topic = "mine/face 3101/泵"
version = "3.1.1"
qos = 0
client_id = "gateway-1"
tls = true
ca_file = "pki/ca.pem"
certificate = "pki/gateway.pem"
private_key = "pki/gateway.key"
user = "reader"
password_file = "secret/mqtt"
timeout_s = 10.0
"""


def options(**more: Any) -> MqttOptions:
    return MqttOptions.model_validate(LEAST | more)


def test_devices_toml_makes_a_driver() -> None:
    (device,) = parse_devices(DEVICES)
    found = driver_class("mqtt")
    given = found.Options.model_validate(device.options)
    driver = found(device.id, machine('name="a"; pointer="/a"'), given)
    assert isinstance(driver, MqttDriver)
    assert driver.describe() == "mqtt 10.0.0.5:8883 mine/face 3101/泵"


@pytest.mark.parametrize(
    ("given", "port"),
    [({}, 1883), ({"tls": True}, 8883), ({"tls": True, "port": 1883}, 1883), ({"port": 9}, 9)],
)
def test_the_port_goes_with_tls(given: dict[str, Any], port: int) -> None:
    assert options(**given).port == port


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"host": ""}, "at least 1 character"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"topic": "mine/#"}, "must be one topic"),
        ({"topic": "mine/+/a"}, "must be one topic"),
        ({"topic": "/mine"}, "an empty level"),
        ({"topic": ""}, "at least 1 character"),
        ({"topic": "$SYS/broker"}, "must not begin with '$'"),
        ({"version": "3.1"}, "'3.1.1' or '5'"),
        ({"qos": 2}, "0 or 1"),
        ({"user": "me"}, "user goes with password"),
        ({"password": "secret"}, "user goes with password"),
        ({"user": "me", "password": "a", "password_file": "b"}, "give one of them"),
        ({"tls": True, "certificate": "a.pem"}, "certificate and private_key go together"),
        ({"ca_file": "ca.pem"}, "no use without tls = true"),
        ({"certificate": "a.pem", "private_key": "a.key"}, "no use without tls = true"),
        ({"timeout_s": 0.1}, "greater than or equal to 1"),
        ({"porte": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_told(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as error:
        options(**wrong)
    assert problem in str(error.value)


def test_a_password_is_not_shown() -> None:
    assert "hush-hush" not in repr(options(user="me", password="hush-hush"))
