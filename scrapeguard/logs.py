"""What our own servers say on stderr."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Send what is logged in this process to stderr, with its time, unless it goes elsewhere already."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
