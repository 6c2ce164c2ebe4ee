"""The example with a toggle, in a real browser and by real requests to a real server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
CLAUDE_USER, GOOGLEBOT = "Claude-User/1.0", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# What Firefox sends beside its name when a person opens a page.
OPENED = {
    "accept-language": "en",
    "sec-fetch-site": "none",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


@pytest.fixture(scope="module")
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "examples.authors.app:create_app", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(address)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def ask(address, path, agent):
    return httpx.get(address + path, headers={"user-agent": agent, **(OPENED if agent == FIREFOX else {})})


def until(true):
    for _ in range(200):
        if true():
            return True
        time.sleep(0.05)
    return False


def test_an_author_moves_the_toggle(address, browser):
    page = browser.new_page()
    page.goto(address + "/settings")
    toggle = page.get_by_role("checkbox", name="Do not let AI use what I write")
    assert not toggle.is_checked()
    assert ask(address, "/@ada/", CLAUDE_USER).status_code == 200

    toggle.check()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text() == "Saved."
    assert toggle.is_checked()

    refused = ask(address, "/@ada/", CLAUDE_USER)
    assert (refused.status_code, "loom" in refused.text) == (403, False)
    for agent in (FIREFOX, GOOGLEBOT):
        read = ask(address, "/@ada/", agent)
        assert (read.status_code, "loom" in read.text) == (200, True)
        assert read.headers["content-usage"] == "train-ai=n, ai-use=n"
    # Others wrote something too, and did not say a word.
    assert ask(address, "/@bob/", CLAUDE_USER).status_code == 200
    assert until(lambda: "Disallow: /@ada/\n" in ask(address, "/robots.txt", CLAUDE_USER).text)
    page.goto(address + "/@ada/")
    assert "loom" in page.inner_text("main")

    page.goto(address + "/settings")
    toggle.uncheck()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text() == "Saved."
    assert not toggle.is_checked()
    assert until(lambda: "/@ada/" not in ask(address, "/robots.txt", CLAUDE_USER).text)
    assert until(lambda: ask(address, "/@ada/", CLAUDE_USER).status_code == 200)
    page.close()


def test_the_toggle_can_be_reached_and_moved_with_the_keyboard_alone(address, browser):
    page = browser.new_page()
    page.goto(address + "/settings")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings?saved")
    assert page.get_by_role("checkbox").is_checked()
    page.get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/settings?saved")
    page.close()


def test_who_is_not_there_is_not_found(address):
    assert ask(address, "/@eve/", FIREFOX).status_code == 404
