"""A small recording for tests of `locate` and `evaluate`."""

from pathlib import Path

import numpy as np


def recording(folder: Path, *, truth: bool = True, runs: tuple[str, ...] = ("one", "two")) -> Path:
    """A card at rest at (4, 3), 1 m high, in a room with four anchors, since the epoch."""
    anchors = [(0, 0, 2.5), (10, 0, 2.5), (10, 8, 2.5), (0, 8, 2.5)]
    lines = {"anchors": ["run,anchor,x_m,y_m,z_m"], "ranges": ["run,t_s,tag,anchor,range_m"]}
    lines["truth"] = ["run,tag,t_s,x_m,y_m,z_m"]
    for run in runs:
        lines["anchors"] += [f"{run},A{i},{x},{y},{z}" for i, (x, y, z) in enumerate(anchors)]
        for k in range(200):
            t_s = 1_760_000_000 + k * 0.05
            x, y, z = anchors[k % 4]
            range_m = np.sqrt((x - 4) ** 2 + (y - 3) ** 2 + (z - 1) ** 2)
            lines["ranges"].append(f"{run},{t_s:.6f},000012345,A{k % 4},{range_m:.4f}")
            lines["truth"].append(f"{run},000012345,{t_s:.6f},4,3,1")
    folder.mkdir(exist_ok=True)
    for name in ("anchors", "ranges", "truth")[: 3 if truth else 2]:
        (folder / f"{name}.csv").write_text("\n".join(lines[name]) + "\n")
    return folder
