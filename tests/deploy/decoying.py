"""The command line, with an answer of status 200 in place of the refusal under /trap/: what a decoy looks like."""

from __future__ import annotations

import sys

from scrapeguard.asgi.responders import RESPONDERS, Response
from scrapeguard.cli import main
from scrapeguard.core.decision import Action

_refuse = RESPONDERS[Action.BLOCK]


def _answer(decision, request, pages, reference, announced, way):
    if not request.path.startswith("/trap/"):
        return _refuse(decision, request, pages, reference, announced, way)
    return Response(200, [(b"content-type", b"text/plain"), (b"content-length", b"5")], b"decoy")


RESPONDERS[Action.BLOCK] = _answer
sys.exit(main())
