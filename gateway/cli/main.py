"""The command line `lamproom`."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point."""
    try:
        from gateway.cli.commands import app

        sys.exit(app())
    except KeyboardInterrupt:  # before the command had begun
        sys.exit(130)


if __name__ == "__main__":
    main()
