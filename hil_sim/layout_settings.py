"""`[layout]` of a scenario: what mine `lamproom init --scenario` writes."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from equipment.strict import Name, Plain, Strict

#: What a mine may have at most.
CARDS_MOST: Final = 8000
MACHINES_MOST: Final = 100

_Profiles = tuple[Name, ...]
_Port = Annotated[int, Field(ge=1024, le=65_000)]


class Broker(Strict):
    """`[layout.broker]`: where machines publish; their broker is none of the simulator's."""

    host: Plain = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883


class Layout(Strict):
    """Lengths are metres. Profiles are those of the catalogue, by id."""

    people: Annotated[int, Field(ge=1, le=CARDS_MOST)] = 200
    vehicles: Annotated[int, Field(ge=0, le=200)] = 2
    #: Longwall faces and headings, and how long they and the gates are that lead to a face.
    faces: Annotated[int, Field(ge=0, le=10)] = 1
    headings: Annotated[int, Field(ge=0, le=20)] = 1
    face_m: Annotated[float, Field(ge=110, le=350)] = 200.0
    gate_m: Annotated[float, Field(ge=100, le=3000)] = 400.0
    heading_m: Annotated[float, Field(ge=50, le=2000)] = 200.0
    anchor_spacing_m: Annotated[float, Field(ge=10, le=75)] = 40.0
    uwb_readers: Annotated[int, Field(ge=1, le=64)] = 3
    #: Machines of each face, of each heading and of the mine as a whole.
    face: _Profiles = (
        "shearer_modbus",
        "roof_support_modbus",
        "afc_modbus",
        "stage_loader_crusher",
        "belt_conveyor",
        "gas_station",
        "pump_station",
    )
    heading: _Profiles = (
        "roadheader",
        "belt_conveyor",
        "gas_station",
        "ventilation_fan",
        "ventilation_fan",
    )
    mine: _Profiles = ("monorail", "drainage_pump")
    #: Of them, those that publish over MQTT to the broker instead.
    mqtt: _Profiles = ()
    broker: Broker | None = None
    #: Devices listen on this computer, from this port on.
    first_port: _Port = 15_021
    #: Of the gateway's services.
    grpc_port: _Port = 50_051

    @property
    def machines(self) -> int:
        """How many there are."""
        in_faces = self.faces * len(self.face)
        return in_faces + self.headings * len(self.heading) + len(self.mine)

    @model_validator(mode="after")
    def _is_a_mine(self) -> Self:
        if self.faces + self.headings == 0:
            msg = "give at least one face or heading: else nobody has a place to work"
            raise ValueError(msg)
        if self.people + self.vehicles > CARDS_MOST:
            msg = f"people and vehicles must be {CARDS_MOST} cards at most"
            raise ValueError(msg)
        if self.machines > MACHINES_MOST:
            msg = f"these are {self.machines} machines, of which there may be {MACHINES_MOST}"
            raise ValueError(msg)
        if self.mqtt and self.broker is None:
            msg = "mqtt needs [layout.broker] with host and port: machines over it publish there"
            raise ValueError(msg)
        unknown = set(self.mqtt) - {*self.face, *self.heading, *self.mine}
        if unknown:
            msg = f"mqtt names {', '.join(sorted(unknown))}, which no face, heading or mine has"
            raise ValueError(msg)
        return self
