"""ListAnchors: what is the matter with each anchor of the map."""

from pathlib import Path

import grpc
import numpy as np
import pytest

from lamproom.v1 import equipment_pb2
from positioning.anchor_health import assess
from positioning.anchor_stats import ANCHOR_STATS
from tests.gateway.serve_rig import T0_NS, changes, served


async def test_anchors_are_not_judged_before_they_were(tmp_path: Path) -> None:
    async with served(tmp_path) as rig:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await rig.equipment().ListAnchors(equipment_pb2.ListAnchorsRequest())
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "has not judged" in str(failure.value.details())


async def test_anchors_are_listed_with_what_is_the_matter(tmp_path: Path) -> None:
    stats = np.zeros(1, ANCHOR_STATS)
    async with served(tmp_path) as rig:
        stub, request = rig.equipment(), equipment_pb2.ListAnchorsRequest()
        rig.server.publish(changes(anchors=assess(stats)))
        (never,) = (await stub.ListAnchors(request)).anchors
        stats["heard"], stats["rejected"], stats["heard_t_ns"] = 400, 200, T0_NS
        for name, value in {"weight": 10.0, "r": 1.0, "rr": 1.0, "xx": 5.0, "yy": 5.0}.items():
            stats[name] = value
        rig.server.publish(changes(anchors=assess(stats)))
        answer = await stub.ListAnchors(request)
    assert (never.anchor_id, never.heard_count) == ("A1", 0)
    assert never.verdict == equipment_pb2.ANCHOR_VERDICT_NEVER_HEARD
    assert never.text.startswith("A1 was never heard")
    assert not never.HasField("heard_time")
    assert not never.HasField("mean_m")
    (blocked,) = answer.anchors
    assert answer.next_page_token == ""
    assert (blocked.heard_count, blocked.rejected_count) == (400, 200)
    assert blocked.verdict == equipment_pb2.ANCHOR_VERDICT_OFTEN_BLOCKED
    assert blocked.heard_time.ToNanoseconds() == T0_NS
    assert blocked.mean_m == pytest.approx(0.1)
