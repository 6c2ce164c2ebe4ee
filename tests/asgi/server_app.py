from scrapeguard import ScrapeGuard

CHUNKS = [b"one ", b"two ", b"three ", b"four ", b"five"]


async def _serve_lifespan(scope, receive, send):
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _serve_websocket(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _serve_http(scope, receive, send):
    chunks = {"/": [b"hello"], "/stream": CHUNKS}.get(scope["path"])
    if scope["path"] == "/upload":
        chunks = [b"%d" % await _count_body(receive)]
    await send({"type": "http.response.start", "status": 200 if chunks else 404, "headers": []})
    for chunk in chunks or []:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _count_body(receive):
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    return count


_SERVE = {"lifespan": _serve_lifespan, "websocket": _serve_websocket, "http": _serve_http}


async def site(scope, receive, send):
    await _SERVE[scope["type"]](scope, receive, send)


app = ScrapeGuard(site, record=None)
