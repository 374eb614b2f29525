"""How far a map reaches: whatever is on it."""

from dataclasses import replace

import numpy as np

from gateway.extent import extent_of
from positioning.mine_map import Anchor, Area, Reader
from protocols.readers import Extent
from tests.gateway.small_mine import MAP


def test_all_that_is_on_the_map_is_within_its_extent() -> None:
    assert extent_of(MAP) == Extent(-20.0, -10.0, 140.0, 10.0)
    ring_m = np.array([(0.0, 0.0), (-300.0, 0.0), (0.0, 20.0), (0.0, 0.0)])
    more = replace(
        MAP,
        anchors=(Anchor("far", 200.0, 0.0, 0.0),),
        readers=(Reader("deep", 0.0, -70.0, 0.0, 8.0),),
        areas=(Area("hall", "Hall", (ring_m,)),),
    )
    assert extent_of(more) == Extent(-300.0, -70.0, 200.0, 20.0)
