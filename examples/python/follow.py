"""Follows a mine: open alarms, every event, and where everyone is, over all restarts.

python follow.py 127.0.0.1:50051
python follow.py gateway.mine:50051 --ca ca.pem --cert screen.pem --key screen.key
"""

import argparse
import logging
import threading
from typing import Any

import lamproom


def follow_events(client: lamproom.Client, cursor_file: str) -> None:
    """Prints each event once, also over runs of this program."""
    with client.events(cursor=lamproom.CursorFile(cursor_file), sequence=1) as events:
        for item in events:
            if isinstance(item, lamproom.Event):
                print("event", item.sequence, item.text, flush=True)
            elif isinstance(item, lamproom.Gap):
                print("lost", item.first_sequence, item.last_sequence, item.reason, flush=True)
            elif isinstance(item, lamproom.Reset):
                print("another journal:", item.reason, flush=True)


def follow_positions(client: lamproom.Client) -> None:
    """Prints how many are known, and who has moved the fastest."""
    picture = lamproom.LivePicture()
    for item in client.positions():
        picture.take(item)
        if isinstance(item, lamproom.Positions) and picture.whole and len(item):
            speeds = item.vx_m_s**2 + item.vy_m_s**2
            row = int(speeds.argmax())
            place = f"{item.x_m[row]:.1f} {item.y_m[row]:.1f} {item.roadways[row]}"
            print("position", len(picture), item.cards[row], place, flush=True)


def main() -> None:
    """Runs until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--cursor-file", default="events.cursor")
    for name in ("ca", "cert", "key", "token"):
        parser.add_argument(f"--{name}")
    options: dict[str, Any] = {k: v for k, v in vars(parser.parse_args()).items() if v}
    address, cursor_file = options.pop("address"), options.pop("cursor_file")
    logging.basicConfig(format="%(message)s")  # says when the gateway is away
    with lamproom.Client(address, **options) as client:
        for alarm in client.alarms():
            print("alarm", alarm.level, alarm.text, flush=True)
        threading.Thread(target=follow_positions, args=(client,), daemon=True).start()
        follow_events(client, cursor_file)


if __name__ == "__main__":
    main()
