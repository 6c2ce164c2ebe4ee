"""An app that says what it got, so that tests see what servers make of a request."""

from __future__ import annotations

import json

_ROBOTS = b"User-agent: *\nDisallow: /the-apps-own/\n"


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await _echo_words(receive, send)
        return
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    said = {"method": scope["method"], "target": target.decode("latin-1"), "headers": headers, "size": size}
    own = scope["path"] == "/robots.txt"
    body = _ROBOTS if own else json.dumps(said).encode()
    own_header = [(b"x-robots-tag", b"nosnippet")] if scope["path"] == "/nosnippet" else []
    answer = [(b"content-type", b"text/plain" if own else b"application/json"), (b"x-app", b"yes"), *own_header]
    await send({"type": "http.response.start", "status": 200, "headers": answer})
    await send({"type": "http.response.body", "body": body})


async def _echo_words(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
