"""`python -m scrapeguard` is `scrapeguard`."""

from __future__ import annotations

import sys

from scrapeguard.cli import main

if __name__ == "__main__":
    sys.exit(main())
