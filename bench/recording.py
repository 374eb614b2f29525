"""A whole recording over the wire in real time, beside `locate` on the same files.

    ./run bench recording ../shared/data/hanyang_outdoor [SPEED]

Prints how many fixes each gave and their errors; the last line is a JSON object.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # the tests' processes are not installed

from tests.system.wire import play


def main(recording: Path, speed: float) -> None:
    """Plays and prints."""
    with tempfile.TemporaryDirectory(prefix="lamproom-") as folder:
        compared = play(recording, Path(folder), speed)
    of_files, over_wire = compared.figures()
    located = sum(len(run.fixes) for run in compared.located)
    streamed = sum(map(len, compared.streamed))
    for name, fixes, figures in (("locate", located, of_files), ("wire", streamed, over_wire)):
        print(f"{name:7}{fixes:7} fixes, {figures}")
    result = {
        "fixes_locate": located,
        "fixes_wire": streamed,
        "locate": asdict(of_files),
        "wire": asdict(over_wire),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("which recording? give its folder")
    main(Path(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 1.0)
