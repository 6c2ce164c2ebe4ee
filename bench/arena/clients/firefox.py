"""The Firefox of the machine, driven over WebDriver BiDi, which it speaks itself (W3C WebDriver BiDi)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import IO, Any

from websockets.sync.client import ClientConnection, connect

from bench.arena.visit import Visit

NAMES = ("firefox", "firefox-esr")
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
_PATIENCE = 10.0
_LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


def firefox_path() -> str | None:
    """Where Firefox is on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BidiError(Exception):
    """Firefox refused a command, or did not answer."""


class FirefoxTab:
    """A tab of Firefox."""

    def __init__(self, connection: ClientConnection, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._number = count(1)
        self.command("session.new", capabilities={})
        self.context = self.command("browsingContext.getTree")["contexts"][0]["context"]

    def goto(self, url: str) -> str:
        """Open a URL and wait for the page; its HTML, empty if it does not come."""
        try:
            self.command("browsingContext.navigate", context=self.context, url=url, wait="complete")
        except BidiError:
            # What a refusal with an empty body ends in.
            return ""
        return self.story()

    def follow(self, selector: str) -> str:
        """Click on the first such link with the mouse, and wait for the page behind it; empty as above."""
        before = self._evaluate("location.href")
        nodes = self.command(
            "browsingContext.locateNodes", context=self.context, locator={"type": "css", "value": selector}
        )["nodes"]
        if not nodes:
            return ""
        self._evaluate(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        self._click(nodes[0]["sharedId"])
        self._until(lambda: self._evaluate("location.href") != before)
        return self.story()

    def story(self) -> str:
        """The HTML of the page, as soon as it is there; empty if it does not come."""
        there = "document.querySelector('#story') && document.readyState === 'complete'"
        if not self._until(lambda: self._evaluate(f"!!({there})") is True):
            return ""
        return str(self._evaluate("document.documentElement.outerHTML"))

    def command(self, method: str, **parameters: Any) -> Any:
        """What Firefox answers to a command.

        Raises:
            BidiError: it is refused, or nothing comes.
        """
        number = next(self._number)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            try:
                answer = json.loads(self._connection.recv(timeout=30))
            except TimeoutError:
                raise BidiError(f"{method}: no answer") from None
            if answer.get("id") == number:
                break
        if answer["type"] == "error":
            raise BidiError(f"{method}: {answer['message']}")
        return answer["result"]

    def _evaluate(self, expression: str) -> Any:
        try:
            answer = self.command(
                "script.evaluate", expression=expression, target={"context": self.context}, awaitPromise=False
            )
        except BidiError:
            # The page was left meanwhile.
            return None
        return answer.get("result", {}).get("value")

    def _click(self, node: str) -> None:
        origin = {"type": "element", "element": {"sharedId": node}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "actions": actions}
        self.command("input.performActions", context=self.context, actions=[mouse])

    def _until(self, holds: Callable[[], bool]) -> bool:
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            if holds():
                return True
            time.sleep(0.02)
        return False


@contextmanager
def firefox(visit: Visit, *, headless: bool = False, patience: float = _PATIENCE) -> Iterator[FirefoxTab]:
    """A Firefox with a fresh profile.

    Raises:
        RuntimeError: it does not start.
    """
    profile = visit.folder / "firefox"
    profile.mkdir()
    lines = (f'user_pref("{name}", {json.dumps(value)});\n' for name, value in _PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))
    command = [str(firefox_path()), "--remote-debugging-port=0", "--no-remote", "--profile", str(profile)]
    environment = {**os.environ, "DISPLAY": visit.display, "HOME": str(visit.folder)}
    with subprocess.Popen(
        [*command, "--headless"] if headless else command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            with connect(f"{_address(process.stderr)}/session", max_size=None) as connection:
                yield FirefoxTab(connection, patience)
        finally:
            process.terminate()


def _address(lines: IO[str] | None) -> str:
    for line in lines or ():
        if found := _LISTENING.search(line):
            return found[1]
    raise RuntimeError("Firefox ended before it listened")
