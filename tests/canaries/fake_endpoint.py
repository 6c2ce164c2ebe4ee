"""An endpoint that speaks as OpenAI's completions do, and answers as a test tells it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeEndpoint:
    """What the server was asked, and how it answers.

    `loss` gives the loss of each token of a prompt. `faults` are answers that come first: a status, or a status with
    headers and body. `least_tokens` is the least `max_tokens` that it takes. `completions` are what follows on prompts.
    """

    def __init__(self, loss, least_tokens=0):
        self.loss = loss
        self.least_tokens = least_tokens
        self.faults = []
        self.completions = {}
        self.asked = []
        self.authorizations = []
        self.url = ""

    def answer(self, asked):
        if self.faults:
            fault = self.faults.pop(0)
            return fault if isinstance(fault, tuple) else (fault, {}, b"not now")
        if asked["max_tokens"] < self.least_tokens:
            return 400, {}, b'{"error": {"message": "max_tokens must be at least 1"}}'
        choices = [
            {"index": index, "text": self.completions[prompt]}
            if prompt in self.completions
            else {"index": index, "text": prompt, "logprobs": self._logprobs(prompt, asked["max_tokens"])}
            for index, prompt in enumerate(asked["prompt"])
        ]
        return 200, {}, json.dumps({"choices": choices[::-1]}).encode()

    def _logprobs(self, prompt, more):
        """Tokens of four characters; the first has no probability, and what is completed has a bad one."""
        offsets = list(range(0, len(prompt), 4)) + [len(prompt)] * more
        values = [None, *(-self.loss(prompt) for _ in offsets[1 : len(offsets) - more]), *[-99.0] * more]
        return {"text_offset": offsets, "token_logprobs": values, "tokens": [], "top_logprobs": None}


@contextmanager
def serving(endpoint):
    """Serve it on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.asked.append((self.path, asked))
            endpoint.authorizations.append(self.headers.get("Authorization"))
            status, headers, body = endpoint.answer(asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
