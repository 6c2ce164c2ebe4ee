"""The guarded site in a process of its own, on one port, and on another what moves its clock and tells what left.

`python -m bench.arena.server '{"pages": 500, "seed": 1, "rules": null, "guarded": true, "referrer": ""}'` says on its
first line on which ports: the site's, then the other.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.arena.clock import MovableClock
from bench.arena.recorder import Hit, Recorder
from bench.arena.site import Site

_FOREVER = 10**7
_WORLD = """\
version: 1
extends: {base}
events: {{log: "off"}}
verification: {{refresh: off, folder: {folder}}}
"""


@dataclass(frozen=True)
class Setting:
    """What a server serves.

    Args:
        pages: how many.
        seed: of the site.
        rules: the rule file of the guard; None for the packaged one.
        guarded: whether there is a guard at all.
        referrer: the referrer policy that the pages state.
    """

    pages: int = 500
    seed: int = 1
    rules: str | None = None
    guarded: bool = True
    referrer: str = ""


class Server:
    """A running server, from outside.

    Args:
        site: its port.
        control: the other port.
    """

    def __init__(self, site: int, control: int) -> None:
        self.base = f"http://127.0.0.1:{site}"
        self._control = HTTPConnection("127.0.0.1", control, timeout=60)

    def advance(self, seconds: float) -> float:
        """Let time pass there; how far its clock is ahead now, in seconds."""
        return float(self._ask(f"/advance/{seconds:f}"))

    def hits(self) -> list[Hit]:
        """All that was asked so far."""
        return [Hit._make([*row[:-1], tuple(row[-1])]) for row in self._ask("/hits")]

    def close(self) -> None:
        """End the connection; the server stays."""
        self._control.close()

    def _ask(self, path: str) -> Any:
        self._control.request("GET", path)
        return json.loads(self._control.getresponse().read())


@contextmanager
def serving(setting: Setting) -> Iterator[Server]:
    """A fresh server.

    Raises:
        RuntimeError: it does not start; why stands on its stderr.
    """
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        command = [sys.executable, "-m", "bench.arena.server", json.dumps(asdict(setting)), folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                if not line:
                    raise RuntimeError("the server of the arena did not start; see above for why")
                with closing(Server(*map(int, line.split()))) as server:
                    yield server
            finally:
                process.terminate()


def _guarded(app: Any, setting: Setting, folder: Path) -> Any:
    """The app behind the guard, which here fetches no lists and finds no reverse DNS name for anybody."""
    import dns.resolver

    from scrapeguard import ScrapeGuard, load_policy

    def no_name_server(resolver: Any, *_: object) -> None:
        resolver.nameservers, resolver.port = ["127.0.0.1"], name_server

    name_server = _answer_no_names()
    # dnspython offers no other way to tell every resolver of a process whom to ask.
    vars(dns.resolver)["BaseResolver"].read_resolv_conf = no_name_server
    rules = folder / "rules.yaml"
    base = json.dumps(str(Path(setting.rules).resolve())) if setting.rules else "default"
    rules.write_text(_WORLD.format(base=base, folder=json.dumps(str(folder))), encoding="utf-8")
    return ScrapeGuard(app, load_policy(rules))


def _answer_no_names() -> int:
    """Start a name server for which no name exists, and tell its port."""
    import threading

    import dns.flags
    import dns.message
    import dns.rcode

    sockets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sockets.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            question, peer = sockets.recvfrom(4096)
            answer = dns.message.make_response(dns.message.from_wire(question))
            answer.set_rcode(dns.rcode.NXDOMAIN)
            sockets.sendto(answer.to_wire(), peer)

    threading.Thread(target=serve, daemon=True).start()
    return int(sockets.getsockname()[1])


def _control(recorder: Recorder, clock: MovableClock) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def advance(request: Request) -> JSONResponse:
        clock.ahead += float(request.path_params["seconds"])
        # What became due happens before the client goes on.
        await asyncio.sleep(0)
        return JSONResponse(clock.ahead)

    async def hits(_: Request) -> JSONResponse:
        return JSONResponse(recorder.hits)

    return Starlette(routes=[Route("/advance/{seconds}", advance), Route("/hits", hits)])


def _serve(setting: Setting, folder: Path) -> None:
    clock = MovableClock()
    clock.install()
    import uvicorn

    site = Site(setting.pages, setting.seed, referrer=setting.referrer)
    app = site.app()
    recorder = Recorder(_guarded(app, setting, folder) if setting.guarded else app, site.proofs, clock.real_monotonic)
    control = _control(recorder, clock)
    listeners = [_listener(), _listener()]
    ports = [listener.getsockname()[1] for listener in listeners]

    async def by_port(scope: Any, receive: Any, send: Any) -> None:
        of_control = scope["type"] != "lifespan" and scope["server"][1] == ports[1]
        await (control if of_control else recorder)(scope, receive, send)

    print(*ports, flush=True)
    config = uvicorn.Config(
        by_port, loop="asyncio", proxy_headers=False, access_log=False, log_level="error", timeout_keep_alive=_FOREVER
    )
    uvicorn.Server(config).run(sockets=listeners)


def _listener() -> socket.socket:
    """A socket with its protocol named, or asyncio leaves Nagle's algorithm on and every answer waits for 40 ms."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


if __name__ == "__main__":
    _serve(Setting(**json.loads(sys.argv[1])), Path(sys.argv[2]))
