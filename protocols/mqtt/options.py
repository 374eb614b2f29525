"""What `devices.toml` says of a device that publishes over MQTT."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from equipment.mqtt_profile import check_topic
from protocols.login import LoginOptions

#: The ports that IANA gave to MQTT, plain and with TLS.
PORT: Final = 1883
TLS_PORT: Final = 8883


class MqttOptions(LoginOptions):
    """The keys of a `[[device]]` that publishes over MQTT.

    `certificate` and `private_key` (PEM) are for brokers that ask for them.
    """

    address_keys: ClassVar = ("host", "port", "topic")

    #: The broker.
    host: str = Field(min_length=1)
    #: 1883, or 8883 with `tls`.
    port: int = Field(default=PORT, ge=1, le=65535)
    #: Where the device's topics begin; for Sparkplug `group/node/device`, or `group/node`.
    topic: Annotated[str, Field(min_length=1, max_length=512), AfterValidator(check_topic)]
    version: Literal["3.1.1", "5"] = "5"
    #: 1: what is sent again after a break is asked for. Sparkplug is published with 0.
    qos: Literal[0, 1] = 1
    #: By what the broker knows the connection; `lamproom-` and the device's id if None.
    client_id: str | None = Field(default=None, min_length=1, max_length=128)
    tls: bool = False
    #: Who signs the broker's certificate (PEM); those that the computer trusts if None.
    ca_file: Path | None = None
    #: How long the broker may take to connect, and to answer.
    timeout_s: float = Field(default=5.0, ge=1.0, le=60.0)

    def aside(self, *, is_reader: bool) -> Self | None:
        """See `DriverOptions.aside`: a broker keeps records for a client that it knows by name."""
        if is_reader:
            return None
        return self.model_copy(update={"client_id": f"lamproom-look-{uuid.uuid4().hex[:8]}"})

    @model_validator(mode="before")
    @classmethod
    def _port_goes_with_tls(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("tls") is True and "port" not in given:
            return {**given, "port": TLS_PORT}
        return given

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        if self.topic.startswith("$"):
            msg = "topic must not begin with '$': those are the broker's own"
            raise ValueError(msg)
        if not self.tls and (self.ca_file or self.certificate) is not None:
            msg = "ca_file and certificate have no use without tls = true"
            raise ValueError(msg)
        return self
