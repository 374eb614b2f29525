"""Names of cards and roadways by the handles that a file has for them.

They are written twice, each time with a checksum, so that no flipped bit takes a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import zstandard

#: Of one chunk: 131,072 cards with long numbers.
NAMES_BYTES_MAX = 16 << 20


@dataclass(slots=True)
class Names:
    """Handle to name; roadways count from 1, as rows do."""

    cards: dict[int, str] = field(default_factory=dict)
    roadways: dict[int, str] = field(default_factory=dict)

    def add(self, payload: bytes) -> None:
        """Takes what `pack_names` has made. Raises ValueError where it is nothing of the kind."""
        try:
            packed = zstandard.ZstdDecompressor().decompress(payload, NAMES_BYTES_MAX)
            told = json.loads(packed)
            for names, key in ((self.cards, "cards"), (self.roadways, "roadways")):
                names.update({int(handle): str(name) for handle, name in told[key].items()})
        except (zstandard.ZstdError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(str(error)) from error


def pack_names(cards: Mapping[int, str], roadways: Mapping[int, str]) -> bytes:
    """The payload of a chunk of names."""
    told = {"cards": cards, "roadways": roadways}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return zstandard.ZstdCompressor().compress(text.encode())
