"""What is the same for all cards: anchors, readers, the map and the settings, in one record.

One record, because a kernel's functions hand it on by its address, where a dozen arrays would be
copied, each with its shape, at every call. So each kind of thing has a most: room for the largest
mine, of which the system gives only what is used.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from positioning.anchor_stats import SUMS
from positioning.cards import HEARD_STRENGTHS, HYPOTHESES, RING, SLOTS
from positioning.graph import Graph, nearest_on_graph
from positioning.mine_map import Area, Reader
from positioning.observation import Records
from positioning.settings import SETTINGS, TrackerSettings, for_kernel
from positioning.strength import ROW_COLUMNS, SCRATCH

#: Room for things of a map: several times those of the largest mine (an anchor each 40 m of 300 km
#: of roadways; surveyed centrelines with a point each 10 m).
ANCHORS_MOST: Final = 1 << 14
READERS_MOST: Final = 1 << 13
PIECES_MOST: Final = 1 << 16
EDGES_MOST: Final = 1 << 12
NODES_MOST: Final = 1 << 11
BORDERS_MOST: Final = 1 << 14

#: One record of SITE.
Site = Any

_Fields = list[tuple[str, Any] | tuple[str, Any, tuple[int, ...]]]


def _columns(prefix: str, count: int, floats: str, integers: str = "") -> _Fields:
    """Fields of one kind of thing, one value for each thing."""
    fields: _Fields = [(f"{prefix}_{name}", np.float64, (count,)) for name in floats.split()]
    return fields + [(f"{prefix}_{name}", np.int64, (count,)) for name in integers.split()]


#: `anchor_card_z_m`: how high a card is that is near this anchor; `anchor_edge`, `anchor_s_m`,
#: `anchor_off_m`: where on the roadways it is, and how far from the centreline. `reader_m`: x, y, z
#: of a reader and how high a card is that is near it; `reader_head_x`, `reader_head_y`: unit vector
#: of a directional reader's heading, else 0, 0. `border_m`: borders of all open areas as segments,
#: x, y of either end. Pieces, at the height of a card, are straight parts of edges: first point,
#: unit vector, length, where on the edge it begins.
#: `edge_aside_m2`: variance of where a card is between the walls. The ways on from end 0 and end 1
#: of an edge are `edge_first_way` to `edge_last_way` (not included) of the list of ways, which say
#: what edge begins there with which end. `apart_m`: the shortest way between two nodes. `stat_…`:
#: what each anchor's ranges say of it. The rest is room to work in, so that nothing is allocated.
SITE: Final = np.dtype(
    [
        ("anchors", np.int64),
        ("readers", np.int64),
        ("borders", np.int64),
        ("pieces", np.int64),
        *((name, SETTINGS[name]) for name in SETTINGS.names or ()),
        ("gain", np.float64, (4 + SLOTS,)),
        ("near", np.float64, (RING, 10)),
        ("trial", np.float64, (2 * HYPOTHESES, 8)),
        ("best", np.float64, (8,)),
        ("other", np.float64, (8,)),
        ("log", np.float64, (HYPOTHESES,)),
        ("hearers", np.int64, (HEARD_STRENGTHS,)),
        ("ages_s", np.float64, (HEARD_STRENGTHS,)),
        ("strengths_dbm", np.float64, (HEARD_STRENGTHS,)),
        ("strength_rows", np.float64, (HEARD_STRENGTHS, ROW_COLUMNS)),
        ("strength_cells", np.float64, (SCRATCH,)),
        *_columns("anchor", ANCHORS_MOST, "x_m y_m z_m card_z_m s_m off_m", "edge"),
        *_columns("stat", ANCHORS_MOST, "reach_m", "heard rejected heard_t_ns used_t_ns"),
        ("stat_sums", np.float64, (ANCHORS_MOST, len(SUMS))),
        *_columns("reader", READERS_MOST, "radius_m head_x head_y"),
        ("reader_m", np.float64, (READERS_MOST, 4)),
        ("border_m", np.float64, (BORDERS_MOST, 4)),
        *_columns("piece", PIECES_MOST, "x_m y_m z_m tx ty tz length_m s_m", "edge"),
        *_columns(
            "edge", EDGES_MOST, "length_m aside_m2 chainage_m", "roadway first_piece last_piece"
        ),
        ("edge_nodes", np.int64, (EDGES_MOST, 2)),
        ("edge_first_way", np.int64, (EDGES_MOST, 2)),
        ("edge_last_way", np.int64, (EDGES_MOST, 2)),
        *_columns("way", 2 * EDGES_MOST, "", "edge end"),
        ("apart_m", np.float32, (NODES_MOST, NODES_MOST)),
    ],
    align=True,
)

#: People keep this far from the walls.
_WALL_GAP_M: Final = 0.4


def new_site(
    anchors_m: NDArray[np.float64],
    card_z_m: NDArray[np.float64],
    readers: tuple[Reader, ...],
    reader_card_z_m: NDArray[np.float64] | None,
    graph: Graph,
    areas: tuple[Area, ...],
    settings: TrackerSettings,
) -> Records:
    """(1,) SITE. `anchors_m` (n, 3), `card_z_m` (n,), metres; `graph` at the height of the cards.

    `reader_card_z_m` (readers,): how high a card is that is near each; None: as high as the reader.

    Raises:
        ValueError: there are more things of a kind than there is room for.
    """
    site = np.zeros(1, SITE)
    values = for_kernel(settings)
    for name in SETTINGS.names or ():
        site[name] = values[name]
    _fill_anchors(site, anchors_m, card_z_m, graph)
    _fill_readers(site, readers, reader_card_z_m)
    _fill_roadways(site, graph)
    borders_m = _borders(areas)
    _count(site, "borders", len(borders_m), BORDERS_MOST)
    site["border_m"][0, : len(borders_m)] = borders_m
    return site


def _count(site: Records, kind: str, count: int, most: int) -> None:
    if count > most:
        msg = f"the map has {count} {kind}; there is room for {most}"
        raise ValueError(msg)
    if kind in (site.dtype.names or ()):
        site[kind] = count


def _fill(site: Records, prefix: str, columns: dict[str, NDArray[Any]]) -> None:
    for name, values in columns.items():
        site[f"{prefix}_{name}"][0, : len(values)] = values


def _fill_anchors(
    site: Records, anchors_m: NDArray[np.float64], card_z_m: NDArray[np.float64], graph: Graph
) -> None:
    _count(site, "anchors", len(anchors_m), ANCHORS_MOST)
    edge, s_m, off_m = nearest_on_graph(graph, anchors_m)
    x_m, y_m, z_m = anchors_m.T
    places = {"x_m": x_m, "y_m": y_m, "z_m": z_m, "card_z_m": card_z_m}
    _fill(site, "anchor", {**places, "edge": edge, "s_m": s_m, "off_m": off_m})


def _fill_readers(
    site: Records, readers: tuple[Reader, ...], reader_card_z_m: NDArray[np.float64] | None
) -> None:
    _count(site, "readers", len(readers), READERS_MOST)
    for i, reader in enumerate(readers):
        card_z_m = reader.z_m if reader_card_z_m is None else reader_card_z_m[i]
        site["reader_m"][0, i] = reader.x_m, reader.y_m, reader.z_m, card_z_m
        site["reader_radius_m"][0, i] = reader.radius_m
        if reader.heading_deg is not None:
            heading = np.deg2rad(reader.heading_deg)
            site["reader_head_x"][0, i] = np.cos(heading)
            site["reader_head_y"][0, i] = np.sin(heading)


def _fill_roadways(site: Records, graph: Graph) -> None:
    _count(site, "pieces", len(graph.piece_length_m), PIECES_MOST)
    _count(site, "edges", len(graph.length_m), EDGES_MOST)
    _count(site, "nodes", len(graph.apart_m), NODES_MOST)
    x_m, y_m, z_m = graph.piece_m.T
    tx, ty, tz = graph.along.T
    lines = {"x_m": x_m, "y_m": y_m, "z_m": z_m, "tx": tx, "ty": ty, "tz": tz}
    of_edge = {"length_m": graph.piece_length_m, "s_m": graph.piece_s_m, "edge": graph.piece_edge}
    _fill(site, "piece", {**lines, **of_edge})
    columns = {
        "length_m": graph.length_m,
        # An even spread over a width w has the variance w²/12.
        "aside_m2": np.maximum(graph.width_m - 2.0 * _WALL_GAP_M, 0.5) ** 2 / 12.0,
        "chainage_m": graph.chainage_m,
        "roadway": graph.roadway,
        "first_piece": graph.first_piece[:-1],
        "last_piece": graph.first_piece[1:] - 1,
        "nodes": graph.ends,
        "first_way": graph.node_start[graph.ends],
        "last_way": graph.node_start[graph.ends + 1],
    }
    _fill(site, "edge", columns)
    _fill(site, "way", {"edge": graph.node_edges, "end": graph.node_ends})
    nodes = len(graph.apart_m)
    site["apart_m"][0, :nodes, :nodes] = graph.apart_m


def _borders(areas: tuple[Area, ...]) -> NDArray[np.float64]:
    """All borders of open areas as segments, (e, 4) float64."""
    rings = [ring for area in areas for ring in area.rings_m]
    parts = [np.hstack([ring[:-1], ring[1:]]) for ring in rings]
    return np.vstack(parts) if parts else np.empty((0, 4))
