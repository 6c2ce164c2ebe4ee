"""Sites that know nothing of ASGI behind the guarded relay: those of a framework, and files before a browser."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest
from flask import Flask, make_response, redirect, request, send_file, session, url_for
from werkzeug.serving import WSGIRequestHandler, make_server

CURL = {"user-agent": "curl/8.11.0"}
FILE = bytes(range(256)) * 64


def shop():
    app = Flask("shop")
    app.secret_key = "not secret"

    @app.post("/login")
    def login():
        session["user"] = request.form["user"]
        answer = make_response(redirect(url_for("home", _external=True)))
        answer.set_cookie("theme", "dark")
        answer.set_cookie("language", "en")
        return answer

    @app.get("/")
    def home():
        return {"user": session.get("user"), "theme": request.cookies.get("theme"), "root": request.url_root}

    @app.post("/upload")
    def upload():
        return {"name": request.files["file"].filename, "size": len(request.files["file"].read())}

    @app.get("/file")
    def file():
        return send_file(io.BytesIO(FILE), mimetype="application/octet-stream", etag="v1", conditional=True)

    @app.get("/where/<path:rest>")
    def where(rest):
        return {"path": rest, "raw": request.environ["REQUEST_URI"], "peer": request.headers["X-Forwarded-For"]}

    return app


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


@contextmanager
def wsgi(app):
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(stage):
    with wsgi(shop()) as port:
        address = f"http://127.0.0.1:{stage.guarded(port)}"
        with httpx.Client(base_url=address, headers=CURL, trust_env=False) as client:
            yield client


def test_who_logs_in_stays_so_by_two_cookies_and_a_redirect_to_this_host(client):
    answer = client.post("/login", data={"user": "ada"})
    assert answer.status_code == 302
    assert answer.headers["location"] == f"{client.base_url}/"
    assert len(answer.headers.get_list("set-cookie")) == 3
    assert client.get("/").json() == {"user": "ada", "theme": "dark", "root": f"{client.base_url}/"}


def test_a_form_with_a_file_arrives(client):
    answer = client.post("/upload", files={"file": ("ü.bin", b"x" * 200_000)})
    assert answer.json() == {"name": "ü.bin", "size": 200_000}


def test_a_part_of_a_file_comes_back(client):
    answer = client.get("/file", headers={"range": "bytes=100-199"})
    assert (answer.status_code, answer.content) == (206, FILE[100:200])
    assert answer.headers["content-range"] == f"bytes 100-199/{len(FILE)}"
    assert client.get("/file", headers={"if-none-match": '"v1"'}).status_code == 304
    assert client.get("/file", headers={"range": "bytes=999999-"}).status_code == 416


def test_a_path_is_what_the_client_wrote(client):
    answer = client.get("/where/a%2Fb%20c/%C3%A9").json()
    assert answer == {"path": "a/b c/é", "raw": "/where/a%2Fb%20c/%C3%A9", "peer": "127.0.0.1"}


def test_a_crawler_gets_no_page_and_its_robots_txt(client):
    crawler = {"user-agent": "GPTBot/1.2"}
    assert client.get("/", headers=crawler).status_code == 403
    assert "User-agent: GPTBot" in client.get("/robots.txt", headers=crawler).text


def test_a_browser_sees_the_site(stage, tmp_path, browser):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text(
        "<!doctype html><title>files</title><link rel=stylesheet href=/style.css><p id=p>hello</p>"
    )
    (tmp_path / "site" / "style.css").write_text("#p { color: rgb(1, 2, 3) }")
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(command, cwd=tmp_path / "site", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            port = int(process.stdout.readline().split()[5])
            page = browser.new_page()
            answer = page.goto(f"http://127.0.0.1:{stage.guarded(port)}/")
            assert answer.status == 200
            assert page.title() == "files"
            assert page.evaluate("getComputedStyle(document.getElementById('p')).color") == "rgb(1, 2, 3)"
            page.close()
        finally:
            process.terminate()
