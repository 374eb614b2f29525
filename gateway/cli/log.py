"""Logs of a command: to standard error, one line a thing."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

#: Libraries whose own words on a lost device repeat, less clearly, what the supervisor says.
CHATTY: Final = ("aiomqtt", "asyncua", "pycomm3", "pymodbus", "grpc")


def log_to_stderr(level: int = logging.INFO) -> None:
    """Sends this program's logs from `level` on, and of chatty libraries only what is critical."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
