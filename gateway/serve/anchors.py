"""What is the matter with each anchor, as a list for engineers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from gateway.serve.cursor import Kind
from gateway.serve.failure import RequestError
from gateway.serve.paging import page_of, scope
from gateway.serve.picture import Picture
from gateway.serve.reasons import Reason
from lamproom.v1 import equipment_pb2
from positioning.anchor_health import NEVER_NS, advice
from positioning.mine_map import Anchor

#: What of an anchor's health may be unknown, NaN; it is absent then.
_MAYBE: Final = (
    "reach_m",
    "mean_m",
    "spread_m",
    "dx_m",
    "dy_m",
    "sigma_along_m",
    "sigma_across_m",
    "significance",
)


class AnchorAnswers:
    """Answers about the anchors of the map, from the picture. On the event loop only."""

    def __init__(self, anchors: Sequence[Anchor], picture: Picture, epoch: int) -> None:
        self._anchors = tuple(anchors)
        self._picture = picture
        self._epoch = epoch

    def reload(self, anchors: Sequence[Anchor]) -> None:
        """Takes over another map; its health is in the picture with the next changes."""
        self._anchors = tuple(anchors)

    def list_anchors(
        self, request: equipment_pb2.ListAnchorsRequest
    ) -> equipment_pb2.ListAnchorsResponse:
        """One page of anchors. Raises RequestError for a wrong page, and before they are judged."""
        health = self._picture.anchors
        if health is None:
            msg = "the gateway has only just started and has not judged the anchors yet"
            raise RequestError(Reason.JUST_STARTED, msg, remedy="ask again")
        page, token = page_of(
            range(min(len(self._anchors), len(health))),
            Kind.ANCHOR_PAGE,
            # Another map may have others: none is to be left out unnoticed.
            scope(self._epoch, *(anchor.id for anchor in self._anchors)),
            request.page_size,
            request.page_token,
        )
        return equipment_pb2.ListAnchorsResponse(
            anchors=[_message(self._anchors[i].id, health[i]) for i in page], next_page_token=token
        )


def _message(name: str, health: np.void) -> equipment_pb2.AnchorHealth:
    message = equipment_pb2.AnchorHealth(
        anchor_id=name,
        verdict=equipment_pb2.AnchorVerdict.ValueType(int(health["verdict"])),
        text=advice(name, health),
        heard_count=int(health["heard"]),
        rejected_count=int(health["rejected"]),
        missed_s=float(health["missed_s"]),
    )
    if health["heard_t_ns"] != NEVER_NS:
        message.heard_time.FromNanoseconds(int(health["heard_t_ns"]))
    for field in _MAYBE:
        if not np.isnan(health[field]):
            setattr(message, field, float(health[field]))
    return message
