"""What differs between two configurations of a mine, file by file and key by key, in words.

It knows kinds of files, and no file by its name: what a mine's folder may hold besides is compared
as well.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.config.bundle import Bundle

#: Changes that are told of one file; of more only the number is.
CHANGES_MOST: Final = 12

#: Letters of a value that are shown.
_VALUE_MOST: Final = 40

#: What tells an entry of a list from others.
_ID: Final = "id"


class FileChange(NamedTuple):
    """What is different in a file, each a few words."""

    file: str
    changes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {', '.join(self.changes)}"


def compare(before: Mapping[str, str], now: Mapping[str, str]) -> list[FileChange]:
    """What is different between two sets of texts by file name; none where they are the same."""
    found = []
    for file in sorted(before.keys() | now.keys()):
        if before.get(file) == now.get(file):
            continue
        if file not in before or file not in now:
            words = ["the file is new" if file in now else "the file is gone"]
        else:
            words = list(_differences(file, before[file], now[file]))
        if len(words) > CHANGES_MOST:
            more = len(words) - CHANGES_MOST + 1
            words = [*words[: CHANGES_MOST - 1], f"and {more} more"]
        found.append(FileChange(file, tuple(words) or ("only notes or layout",)))
    return found


def _differences(file: str, before: str, now: str) -> Iterator[str]:
    suffix = file.rpartition(".")[2]
    if suffix == "toml":
        yield from _of_values("", tomllib.loads(before), tomllib.loads(now))
    elif suffix == "csv":
        yield from _of_rows(_rows(before), _rows(now))
    elif suffix in ("geojson", "json"):
        yield from _of_entries("", _features(before), _features(now))
    else:
        yield "changed"


def _of_values(path: str, before: Any, now: Any) -> Iterator[str]:
    """Differences of tables by key, of lists of things with ids by id, of others as a whole."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{path}.{key}" if path else key
            yield from _of_values(inner, before.get(key), now.get(key))
        return
    old, new = _by_id(before), _by_id(now)
    if old is not None and new is not None:
        yield from _of_entries(f"{path} ", old, new)
    elif before is None and isinstance(now, dict | list):
        yield f"{path} added"
    elif now is None and isinstance(before, dict | list):
        yield f"{path} removed"
    elif isinstance(before, dict | list) or isinstance(now, dict | list):
        yield f"{path} changed"
    else:
        yield f"{path} {_shown(before)} → {_shown(now)}"


def _by_id(value: Any) -> dict[str, Any] | None:
    """A list of things with ids, by id; an absent one is empty, anything else None."""
    if value is None:
        return {}
    if not isinstance(value, list) or not all(
        isinstance(one, dict) and _ID in one for one in value
    ):
        return None
    return {str(one[_ID]): one for one in value}


def _of_entries(prefix: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in before:
        if name not in now:
            yield f"{prefix}{name} removed"
        elif before[name] != now[name]:
            keys = _keys(before[name], now[name])
            yield f"{prefix}{name} changed{f' ({keys})' if keys else ''}"
    yield from (f"{prefix}{name} added" for name in now if name not in before)
    if list(before) != list(now) and before == now:
        yield f"{prefix}in another order"


def _keys(before: Any, now: Any) -> str:
    """The names of what differs between two entries."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return ""
    names = [*before, *(key for key in now if key not in before)]
    return ", ".join(key for key in names if before.get(key) != now.get(key))


def _shown(value: Any) -> str:
    if value is None:
        return "(default)"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _VALUE_MOST else f"{text[: _VALUE_MOST - 1]}…"


def _rows(text: str) -> Counter[tuple[str, ...]]:
    """The rows that say something, each beginning with what tells it from others."""
    rows = list(csv.reader(io.StringIO(text)))
    return Counter(tuple(cell.strip() for cell in row) for row in rows if any(row))


def _of_rows(before: Counter[tuple[str, ...]], now: Counter[tuple[str, ...]]) -> Iterator[str]:
    gone = Counter(row[0] for row in (before - now).elements())
    new = Counter(row[0] for row in (now - before).elements())
    changed = sum((gone & new).values())
    counts = (
        ((new - gone).total(), "added"),
        ((gone - new).total(), "removed"),
        (changed, "changed"),
    )
    yield from (f"{count} {what}" for count, what in counts if count)


def _features(text: str) -> dict[str, Any]:
    """The features of a map by kind and id: what they say, and where they are."""
    data = json.loads(text)
    found: dict[str, Any] = {}
    features = data.pop("features", []) if isinstance(data, dict) else []
    for number, feature in enumerate(features):
        properties = feature.get("properties") or {}
        name = f"{properties.get('kind', 'feature')} {properties.get(_ID, number + 1)}"
        found[name] = {**properties, "geometry": feature.get("geometry")}
    return {**found, "the rest": data}


def unchangeable(before: Bundle, now: Bundle) -> list[str]:
    """What differs and can't be changed while the gateway runs, a sentence each."""
    old, new = before.settings, now.settings
    fixed = {
        "mine.code": (old.mine.code, new.mine.code),
        **{
            f"grpc.{key}": (getattr(old.grpc, key), getattr(new.grpc, key))
            for key in type(old.grpc).model_fields
        },
        "journal.folder": (old.journal.folder, new.journal.folder),
        "positioning.lag_s": (old.positioning.lag_s, new.positioning.lag_s),
        "positions.frame_interval_ms": (
            old.positions.frame_interval_ms,
            new.positions.frame_interval_ms,
        ),
    }
    return [
        f"{key} can't be changed from {was} to {becomes} while the gateway runs: change it back, "
        "or stop the gateway and start it anew"
        for key, (was, becomes) in fixed.items()
        if was != becomes
    ]
