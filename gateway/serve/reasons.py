"""Why requests end that can't be answered: `reason` of google.rpc.ErrorInfo.

A client decides by these and never by the words. A name stays once it is published.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import grpc

#: `domain` of google.rpc.ErrorInfo: whose reasons these are.
DOMAIN: Final = "lamproom"

_INVALID: Final = grpc.StatusCode.INVALID_ARGUMENT
_REFUSED: Final = grpc.StatusCode.FAILED_PRECONDITION
_ABSENT: Final = grpc.StatusCode.NOT_FOUND
_LATER: Final = grpc.StatusCode.UNAVAILABLE
_DENIED: Final = grpc.StatusCode.PERMISSION_DENIED
_FULL: Final = grpc.StatusCode.RESOURCE_EXHAUSTED


class Reason(Enum):
    """A reason: the status code, what it means, what to do, and after how many seconds again."""

    REQUEST_MALFORMED = (
        _INVALID,
        "The bytes of the request are no message of its type.",
        "make the client's stubs from this gateway's contract",
    )
    FIELD_MISSING = (_INVALID, "A field that is needed is empty.", "fill it in")
    FIELD_INVALID = (_INVALID, "A field has a value that it can't have.", "send another value")
    FIELD_UNFIT = (
        _INVALID,
        "A text is too long, or holds control characters.",
        "send a shorter text, in one line",
    )
    PAGE_SIZE_INVALID = (_INVALID, "`page_size` is negative.", "send 0 for the most there may be")
    PAGE_TOKEN_INVALID = (
        _INVALID,
        "The page token was not given out by this method, for these filters and in this run.",
        "start with the first page: leave page_token empty",
    )
    CURSOR_INVALID = (
        _INVALID,
        "The cursor is not one that this method gave out.",
        "send a cursor just as it came, or none",
    )
    READ_MASK_INVALID = (
        _INVALID,
        "`read_mask` names a field that there is not, or a part of a list.",
        "name fields as docs/api.md does; a list is named as a whole",
    )
    CONSUMER_INVALID = (
        _INVALID,
        "The name is not one that a consumer can have.",
        "send 1 to 64 letters, digits, '.', '_' and '-'",
    )
    BEYOND_NEWEST = (
        grpc.StatusCode.OUT_OF_RANGE,
        "A sequence or cursor lies beyond the newest event.",
        "start without it, or with a sequence that ListEvents tells",
    )
    DEVICE_NOT_FOUND = (
        _ABSENT,
        "The mine has no device of that id.",
        "ask ListEquipment which there are",
    )
    MINE_NOT_SERVED = (
        _ABSENT,
        "A filter names a mine that this gateway does not serve.",
        "ask the gateway of that mine",
    )
    ZONE_NOT_FOUND = (
        _ABSENT,
        "The mine has no zone of that id.",
        "ask ListZones which there are",
    )
    HAZARD_NOT_FOUND = (
        _ABSENT,
        "There is no hazard of that id, or it was cleared long ago.",
        "ask ListHazards which there are",
    )
    MUSTER_NOT_FOUND = (
        _ABSENT,
        "No muster has been opened yet.",
        "open one with OpenMuster, or come back when there is one",
    )
    CONSUMER_NOT_FOUND = (
        _ABSENT,
        "No place of that consumer is remembered.",
        "ask ListConsumers which there are",
    )
    CARD_NOT_FOUND = (
        _ABSENT,
        "No position of that card is kept.",
        "ask ListPositions which cards were heard",
    )
    ACT_REFUSED = (
        _REFUSED,
        "An operator's act can't be done as things are; the message says why.",
        "",
    )
    NOT_SMOOTHED = (
        _REFUSED,
        "This gateway does not smooth positions.",
        "set [positioning] lag_s in its mine.toml, or ask for another sampling",
    )
    OTHER_JOURNAL = (
        _REFUSED,
        "The cursor belongs to another journal than this gateway has.",
        "watch with the consumer's name: it begins with the oldest event of this journal",
    )
    BEHIND_PLACE = (
        _REFUSED,
        "The consumer has acknowledged later events already: its place moves only forwards.",
        "go on with the newest; DeleteConsumer first, to begin anew",
    )
    NOT_LET_IN = (
        grpc.StatusCode.UNAUTHENTICATED,
        "The certificate or token is missing, wrong, revoked, or has ended.",
        "get another one from whoever runs the gateway",
    )
    ROLE_TOO_LOW = (
        _DENIED,
        "The method needs a higher role than the caller's.",
        "ask with a certificate or token of the role that it needs",
    )
    OTHER_OPERATOR = (
        _DENIED,
        "An act names another operator than who was authenticated.",
        "leave it empty, or act for others with what was made with --on-behalf",
    )
    TOO_MANY_CALLS = (
        _FULL,
        "The caller asks more often than one may.",
        "ask less often; streams tell what changes",
        1.0,
    )
    TOO_MANY_STREAMS = (
        _FULL,
        "The caller has as many streams open as one may have.",
        "end those of no use",
    )
    TOO_MANY_WRONG_TOKENS = (
        _FULL,
        "Too many wrong tokens came from the caller's address.",
        "wait, and send the right one",
        5.0,
    )
    TOO_MANY_ACTS = (_FULL, "Too many acts wait to be done.", "send it again in a second", 1.0)
    TOO_MANY_CONSUMERS = (
        _FULL,
        "As many consumers are remembered as there may be.",
        "delete those that will not come back: ListConsumers says when each was heard last",
    )
    TOO_MANY_FILTERS = (
        _FULL,
        "As many different filters of positions are in use as there may be.",
        "ask for all cards and choose from them, or come back later",
        5.0,
    )
    TOO_MANY_QUERIES = (
        _FULL,
        "Too many requests for history run already.",
        "ask again in a second",
        1.0,
    )
    STOPPING = (
        _LATER,
        "The gateway is stopping.",
        "come back with the last cursor; send an act again with the same request_id",
        5.0,
    )
    JUST_STARTED = (
        _LATER,
        "The gateway has only just started and does not know yet.",
        "ask again in a second",
        1.0,
    )
    JOURNAL_UNAVAILABLE = (
        _LATER,
        "The journal on disk can't be read or written now.",
        "look at the gateway's disk; come back with the last cursor",
        5.0,
    )
    RELOAD_UNSUPPORTED = (
        grpc.StatusCode.UNIMPLEMENTED,
        "This gateway does not read its configuration again.",
        "start it anew",
    )
    INTERNAL_ERROR = (
        grpc.StatusCode.INTERNAL,
        "A fault of the gateway itself, which its log describes.",
        "report it with the gateway's log",
    )

    #: Its remedy is empty where only the message can say what to do.
    def __init__(
        self, code: grpc.StatusCode, meaning: str, remedy: str, retry_s: float | None = None
    ) -> None:
        self.code = code
        self.meaning = meaning
        self.remedy = remedy
        #: After how long it helps to come back; None: never, as the request stands.
        self.retry_s = retry_s
