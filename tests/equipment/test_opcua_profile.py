"""OPC UA profiles: what is refused, and the shipped one beside the official nodeset."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from equipment import catalogue
from equipment.opcua_profile import OpcUaProfile, split_path
from equipment.toml_source import ConfigurationError

NODESETS = Path(__file__).parents[2] / ".." / "shared" / "nodesets"
#: Of each profile: the nodeset that it is modelled on, and the type.
MODELS = {
    "shearer_opc40560": ("Extraction.ShearerLoader", "ShearerLoaderType"),
    "roof_support_opc40560": ("DevelopmentSupport.RoofSupportSystem", "RoofSupportSystemType"),
    "afc_opc40560": ("TransportDumping.ArmouredFaceConveyor", "AFCType"),
}
UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
TYPES = "{http://opcfoundation.org/UA/2008/02/Types.xsd}"
#: Of a node's data type to what the profile calls it; an enumeration is a number.
KINDS = {"Double": "number", "String": "text", "LocalizedText": "text"}
PUMP = """
id = "pump"
title = { en = "Pump", zh = "水泵" }
kind = "machine"
protocol = "opcua"
namespaces = { site = "urn:site" }
[[point]]
name = "level"
meaning = { en = "level", zh = "水位" }
path = "site:Level"
"""


def mistakes(text: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        catalogue.parse_profile(text, "pump.toml")
    return str(error.value)


def test_a_path_is_split_into_steps() -> None:
    assert split_path("di:ParameterSet/Position") == (("di", "ParameterSet"), ("", "Position"))


def test_an_unknown_prefix_is_refused() -> None:
    assert "prefix 'other'" in mistakes(PUMP.replace("site:Level", "other:Level"))


@pytest.mark.parametrize("path", ["site:", "site:A//site:B", "/site:A", "site:A/"])
def test_a_step_without_a_name_is_refused(path: str) -> None:
    assert "a step without a browse name" in mistakes(PUMP.replace("site:Level", path))


def test_two_points_of_one_name_are_refused() -> None:
    point = PUMP[PUMP.index("[[point]]") :]
    assert "two points have the name level" in mistakes(PUMP + point)


def test_states_of_a_text_are_refused() -> None:
    text = PUMP + 'type = "text"\nstates = { 0 = "off" }\n'
    assert "states go with type 'number'" in mistakes(text)


class ObjectType:
    """The type's variables by path, read from the nodeset itself."""

    def __init__(self, nodeset: str, name: str) -> None:
        if not NODESETS.is_dir():
            pytest.skip("the official nodesets are not there (../shared/nodesets)")
        self.tree = ET.parse(NODESETS / f"Opc.Ua.Mining.{nodeset}.NodeSet2.xml").getroot()
        self.uris = [uri.text for uri in self.tree.findall(f"{UA}NamespaceUris/{UA}Uri")]
        self.nodes = {node.get("NodeId"): node for node in self.tree if node.get("NodeId")}
        self.root = self.named(f"1:{name}")

    def named(self, browse_name: str) -> ET.Element:
        return next(n for n in self.nodes.values() if n.get("BrowseName") == browse_name)

    def children(self, node: ET.Element) -> list[ET.Element]:
        parent = node.get("NodeId")
        return [n for n in self.nodes.values() if n.get("ParentNodeId") == parent]

    def child(self, node: ET.Element, uri: str, name: str) -> ET.Element:
        wanted = f"{self.uris.index(uri) + 1}:{name}" if uri else name
        return next(n for n in self.children(node) if n.get("BrowseName") == wanted)

    def property_text(self, node: ET.Element, name: str, tag: str) -> str | None:
        found = [n for n in self.children(node) if n.get("BrowseName") == name]
        return found[0].findtext(f".//{TYPES}{tag}") if found else None

    def states(self, data_type: str) -> dict[int, str]:
        """The members of an enumeration of the nodeset; empty where it is none."""
        found = [n for n in self.nodes.values() if n.get("BrowseName") == f"1:{data_type}"]
        fields = found[0].findall(f".//{UA}Field") if found else []
        return {int(f.get("Value", "")): f.get("Name", "").lower() for f in fields}


@pytest.mark.parametrize("name", MODELS)
def test_a_profile_is_as_the_nodeset_says(name: str) -> None:
    model = ObjectType(*MODELS[name])
    profile = catalogue.load(name)
    assert isinstance(profile, OpcUaProfile)
    for point in profile.point:
        node = model.root
        for prefix, step in point.steps:
            node = model.child(node, profile.namespaces[prefix], step)
        data_type = node.get("DataType", "")
        states = model.states(data_type)
        assert (KINDS[data_type] if not states else "number") == point.type, point.name
        low = model.property_text(node, "EURange", "Low")
        assert (low is None) == (point.range is None), point.name
        if low is not None:
            high = model.property_text(node, "EURange", "High")
            assert point.range == (float(low), float(high or "nan"))
            unit = model.property_text(node, "EngineeringUnits", f"DisplayName/{TYPES}Text")
            assert point.unit == unit
        assert states.keys() == point.states.keys(), point.name
        assert all(point.states[n].startswith(text) for n, text in states.items()), point.name


@pytest.mark.parametrize("name", MODELS)
def test_all_scalars_of_the_type_are_in_the_profile(name: str) -> None:
    model = ObjectType(*MODELS[name])
    profile = catalogue.load(name)
    assert isinstance(profile, OpcUaProfile)
    parameters = model.child(model.root, "http://opcfoundation.org/UA/DI/", "ParameterSet")
    scalars = {
        node.get("BrowseName", "").partition(":")[2]
        for node in model.children(parameters)
        if node.get("ValueRank") is None
    }
    read = {point.steps[1][1] for point in profile.point if point.steps[0][1] == "ParameterSet"}
    assert scalars == read
