"""An endpoint that speaks as OpenAI's completions do (vLLM, SGLang, TGI, llama-cpp-python), asked for losses of texts.

It is a stranger: the size of its answers is bounded, and so is how long it may keep us waiting.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException
from ipaddress import ip_address
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from scrapeguard.canaries.scoring import BY_LOGPROBS, EndpointError, Scoring

MAX_ANSWER = 16 * 1024 * 1024
"""Octets of an answer."""
MAX_WAIT = 60.0
"""Seconds between two tries, whatever the endpoint asks for."""
_TRY_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 529}


class Answer(NamedTuple):
    """An HTTP answer: at most a little more than `MAX_ANSWER` octets, and the seconds after which to try again."""

    status: int
    body: bytes
    retry_after: float | None = None


Post = Callable[[str, bytes, dict[str, str], float], Answer]
"""From an address, a body, headers and a timeout in seconds to the answer; raises OSError where there is none."""


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Nowhere: what is sent is meant for one endpoint, and so is the key."""


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
    """Send a body, and wait for the answer; redirects are not followed.

    Raises:
        OSError: there is no answer.
    """
    request = Request(url, body, headers, method="POST")  # noqa: S310 - `check_url` has seen it
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.read(MAX_ANSWER + 1))
    except HTTPError as error:
        with error:
            return Answer(error.code, error.read(4096), _seconds(error.headers.get("Retry-After")))
    except HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from None


class CompletionsEndpoint:
    """Asks one model of one endpoint.

    Args:
        url: the base of the API (`https://host/v1`), or the address of its completions.
        model: the name of the model there.
        token: the bearer token, None for an endpoint that wants none.
        scoring: what is asked, and how the answer makes a loss.
        prompt: what stands before each text; the same for all.
        batch: how many texts are sent at once.
        timeout: seconds that an answer may take.
        patience: seconds that all tries of one request may take together.
        post: sends a request.
        sleep: waits some seconds.
        monotonic: seconds that never go back.

    Raises:
        ValueError: the address is none that secrets may be sent to.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        token: str | None = None,
        scoring: Scoring = BY_LOGPROBS,
        prompt: str = "",
        batch: int = 8,
        timeout: float = 60.0,
        patience: float = 300.0,
        post: Post = post,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = completions_url(url)
        self._model = model
        self._scoring = scoring
        self._prompt = prompt
        self._batch = batch
        self._timeout = timeout
        self._patience = patience
        self._post = post
        self._sleep = sleep
        self._monotonic = monotonic
        self._headers = {"Content-Type": "application/json", "User-Agent": "scrapeguard"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def losses(self, texts: Sequence[str], done: Callable[[int], object] = lambda count: None) -> list[float]:
        """The loss of each text.

        Args:
            texts: the texts, each scored behind the same prompt.
            done: is told how many texts have been scored so far.

        Raises:
            EndpointError: the endpoint does not answer in time, refuses, or answers something else.
        """
        found: list[float] = []
        for start in range(0, len(texts), self._batch):
            found += self._score(texts[start : start + self._batch])
            done(len(found))
        return found

    def _score(self, texts: Sequence[str]) -> list[float]:
        asked = {"model": self._model, "temperature": 0, **self._scoring.asked(self._prompt, texts)}
        answer = self._answer(json.dumps(asked).encode())
        if answer.status == 400 and asked["max_tokens"] == 0 and b"max_tokens" in answer.body:
            # Some servers complete at least one token; it stands behind the text, and is not counted.
            answer = self._answer(json.dumps({**asked, "max_tokens": 1}).encode())
        if answer.status != 200:
            raise EndpointError(f"{self.url} answers {answer.status}: {_excerpt(answer.body)}")
        if len(answer.body) > MAX_ANSWER:
            raise EndpointError(f"the answer is longer than {MAX_ANSWER:,} octets; ask for fewer texts at once")
        return self._scoring.losses(answer.body, self._prompt, texts)

    def _answer(self, body: bytes) -> Answer:
        """The first answer that is final, tried for as long as patience lasts."""
        begin, pause = self._monotonic(), 1.0
        while True:
            answer, fault = self._try(body)
            if answer is not None and answer.status not in _TRY_AGAIN:
                return answer
            wait = min(max(pause, (answer.retry_after if answer else None) or 0.0), MAX_WAIT)
            if self._monotonic() - begin + wait > self._patience:
                raise EndpointError(f"{self.url} gives no answer within {self._patience:g} seconds: {fault}")
            self._sleep(wait)
            pause *= 2

    def _try(self, body: bytes) -> tuple[Answer | None, str]:
        try:
            answer = self._post(self.url, body, self._headers, self._timeout)
        except OSError as error:
            return None, str(error)
        return answer, f"status {answer.status}, {_excerpt(answer.body)}"


def completions_url(url: str) -> str:
    """The address of the completions under the base of an API.

    Raises:
        ValueError: it is no https address, nor one of this machine or network.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"an endpoint is the base of an API, such as https://host/v1, not {url[:80]!r}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_near(parts.hostname)):
        raise ValueError("candidates are secret: use https, or http to this machine or a private address")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/completions') else path + '/completions'}"


def _is_near(host: str) -> bool:
    """Whether a host is this machine or in a private network: by its address, or as a name without a dot."""
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(".localhost")
    return address.is_private


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isascii() and value.isdecimal() and len(value) < 7 else None


def _excerpt(body: bytes) -> str:
    return repr(body[:200].decode("utf-8", "replace"))
