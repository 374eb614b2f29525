"""Browse paths to node ids, by namespace URI: a server may number both as it likes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from equipment.opcua_profile import UA_URI
from protocols.driver import DeviceError

#: Prefix and browse name; an empty prefix is namespace 0.
Step = tuple[str, str]
Path = tuple[Step, ...]

#: How many nodes one request names; small controllers take no more.
BATCH: Final = 100

#: Index of a target whose whole path was followed (OPC 10000-4, 5.9.4).
_WHOLE_PATH: Final = 0xFFFFFFFF

_OBJECTS: Final = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_NAMESPACE_ARRAY: Final = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))


@dataclass(frozen=True, slots=True)
class NotFound:
    """A path that leads nowhere (yet), and where it ends."""

    reason: str


async def read_namespaces(client: Client) -> tuple[str, ...]:
    """The server's namespace URIs; the place of each is its index.

    Raises:
        DeviceError: the server gives none.
    """
    (data,) = await client.uaclient.read_attributes([_NAMESPACE_ARRAY], AttributeIds.Value)
    uris = data.Value.Value if data.Value else None
    if not isinstance(uris, list):
        msg = "the server gives no list of its namespaces: it may still be starting"
        raise DeviceError(msg)
    return tuple(str(uri) for uri in uris)


def number_prefixes(
    prefixes: Mapping[str, str], used: Iterable[str], namespaces: tuple[str, ...]
) -> dict[str, int]:
    """The namespace index of each prefix of `used`; `prefixes` are their URIs.

    Raises:
        DeviceError: the server doesn't offer a URI; the text names it and those that it offers.
    """
    wanted = {"": UA_URI} | {prefix: prefixes[prefix] for prefix in used if prefix}
    missing = sorted({uri for uri in wanted.values() if uri not in namespaces})
    if missing:
        msg = (
            f"the server doesn't offer the namespace {', '.join(missing)}; "
            f"it offers {', '.join(namespaces)}: check the profile and namespaces, or load the "
            "server's model"
        )
        raise DeviceError(msg)
    return {prefix: namespaces.index(uri) for prefix, uri in wanted.items()}


async def resolve(
    client: Client,
    paths: Iterable[Path],
    indices: Mapping[str, int],
    namespaces: tuple[str, ...],
    start: ua.NodeId = _OBJECTS,
) -> dict[Path, ua.NodeId | NotFound]:
    """The node of each path from `start`; `indices` are those of the paths' prefixes.

    All beginnings of the paths are asked for too, so that the step that fails is known.
    """
    paths = tuple(paths)
    beginnings = sorted({path[:end] for path in paths for end in range(1, len(path) + 1)}, key=len)
    found: dict[Path, ua.NodeId | NotFound] = {}
    for first in range(0, len(beginnings), BATCH):
        batch = beginnings[first : first + BATCH]
        results = await client.uaclient.translate_browsepaths_to_nodeids(
            [_browse_path(start, path, indices) for path in batch]
        )
        for path, result in zip(batch, results, strict=True):
            # Beginnings come first: where one fails, its reason is that of all that go on from it.
            before = found.get(path[:-1])
            found[path] = (
                before if isinstance(before, NotFound) else _target(path, result, namespaces)
            )
    return {path: found[path] for path in paths}


def _browse_path(start: ua.NodeId, path: Path, indices: Mapping[str, int]) -> ua.BrowsePath:
    elements = [
        ua.RelativePathElement(
            ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences)),
            IsInverse=False,  # type: ignore[arg-type]  # the library's Boolean is no bool
            IncludeSubtypes=True,  # type: ignore[arg-type]  # likewise
            TargetName=ua.QualifiedName(name, indices[prefix]),
        )
        for prefix, name in path
    ]
    return ua.BrowsePath(start, ua.RelativePath(elements))


def _target(
    path: Path, result: ua.BrowsePathResult, namespaces: tuple[str, ...]
) -> ua.NodeId | NotFound:
    place = f"{_text(path[-1:])} in {'/'.join(('Objects', *map(_step_text, path[:-1])))}"
    local = {
        local_node(target.TargetId, namespaces)
        for target in result.Targets or ()
        if target.RemainingPathIndex == _WHOLE_PATH
    }
    nodes = [node for node in local if node is not None]
    if result.StatusCode.is_bad() or not nodes:
        code = result.StatusCode
        known = code.value in (StatusCodes.BadNoMatch, StatusCodes.Good)
        detail = "" if known else f" ({code.name})"
        return NotFound(f"node not found: path step {place}{detail}")
    if len(nodes) > 1:
        return NotFound(f"{len(nodes)} nodes have the path step {place}: it must be one")
    return nodes[0]


def local_node(node: ua.NodeId, namespaces: tuple[str, ...]) -> ua.NodeId | None:
    """The node as this server numbers it; None where it is another server's.

    The library decodes an ExpandedNodeId without URI and server to a plain NodeId.
    """
    if not isinstance(node, ua.ExpandedNodeId):
        return node
    if node.ServerIndex:
        return None
    index: int = node.NamespaceIndex
    if node.NamespaceUri in namespaces:
        index = namespaces.index(node.NamespaceUri)
    return ua.NodeId(node.Identifier, ua.Int16(index))


def _step_text(step: Step) -> str:
    prefix, name = step
    return f"{prefix}:{name}" if prefix else name


def _text(path: Path) -> str:
    return "/".join(map(_step_text, path))
