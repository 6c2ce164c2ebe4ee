from __future__ import annotations

import importlib.util
import json
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.canaries import endpoint as module
from scrapeguard.canaries.endpoint import CompletionsEndpoint, completions_url
from scrapeguard.canaries.scoring import BY_MATCH, EndpointError, losses_in

_SPEC = importlib.util.spec_from_file_location("fake_endpoint", Path(__file__).with_name("fake_endpoint.py"))
fake_endpoint = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fake_endpoint)


@pytest.fixture
def fake():
    with fake_endpoint.serving(fake_endpoint.FakeEndpoint(lambda prompt: len(prompt) / 10)) as endpoint:
        yield endpoint


def asking(fake, **options):
    return CompletionsEndpoint(fake.url, "m", sleep=lambda seconds: None, **options)


def test_each_text_gets_its_loss_in_batches(fake):
    done = []
    losses = asking(fake, batch=2).losses(["a" * 20, "b" * 40, "c" * 10], done.append)
    assert losses == [2.0, 4.0, 1.0]
    assert done == [2, 3]
    path, first = fake.asked[0]
    assert path == "/v1/completions"
    assert first["prompt"] == ["a" * 20, "b" * 40]
    assert (first["echo"], first["max_tokens"], first["model"], first["temperature"]) == (True, 0, "m", 0)


def test_the_prompt_before_a_text_is_sent_and_not_scored(fake):
    fake.loss = lambda prompt: 3.0
    assert asking(fake, prompt="From the archive: ").losses(["short text"]) == [3.0]
    assert fake.asked[0][1]["prompt"] == ["From the archive: short text"]


def test_what_is_completed_is_not_scored(fake):
    fake.least_tokens = 1
    assert asking(fake).losses(["a" * 20]) == [2.0]
    assert [asked["max_tokens"] for _, asked in fake.asked] == [0, 1]


@pytest.mark.parametrize(("token", "sent"), [("t", "Bearer t"), (None, None), ("", None)])
def test_the_token_is_sent_as_a_bearer(fake, token, sent):
    asking(fake, token=token).losses(["a" * 20])
    assert fake.authorizations == [sent]


def test_what_may_pass_is_tried_again_for_as_long_as_patience_lasts(fake):
    waits, now = [], [0.0]

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    endpoint = CompletionsEndpoint(fake.url, "m", patience=100, sleep=sleep, monotonic=lambda: now[0])
    fake.faults = [503, (429, {"Retry-After": "7"}, b""), (429, {"Retry-After": "soon"}, b""), 500]
    assert endpoint.losses(["a" * 20]) == [2.0]
    assert waits == [1, 7, 4, 8]
    fake.faults = [503] * 20
    with pytest.raises(EndpointError, match="no answer within 100 seconds: status 503, 'not now'"):
        endpoint.losses(["a" * 20])
    assert sum(waits[4:]) <= 100


def test_an_endpoint_cannot_make_us_wait_for_long(fake):
    waits = []
    fake.faults = [(429, {"Retry-After": "86400"}, b"")]
    CompletionsEndpoint(fake.url, "m", sleep=waits.append).losses(["a" * 20])
    assert waits == [60]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_is_told_at_once(fake, status):
    fake.faults = [(status, {}, b'{"error": "no such model"}')]
    with pytest.raises(EndpointError, match=f"answers {status}: .*no such model"):
        asking(fake).losses(["a" * 20])
    assert len(fake.asked) == 1


def test_a_redirect_is_not_followed(fake):
    fake.faults = [(307, {"Location": "/v1/completions"}, b"")]
    with pytest.raises(EndpointError, match="answers 307"):
        asking(fake, token="secret").losses(["a" * 20])
    assert len(fake.asked) == 1


def test_nobody_there_is_an_error_after_patience():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match=r"within 3 seconds: .*refused"):
            CompletionsEndpoint(
                url, "m", patience=3, sleep=lambda seconds: None, monotonic=iter(range(99)).__next__
            ).losses(["a"])


def test_silence_ends_with_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match="timed out"):
            CompletionsEndpoint(url, "m", timeout=0.05, patience=0.01).losses(["a"])


def test_what_is_no_http_is_an_error(fake):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"

        def sleep(seconds):
            raise AssertionError("patience was over")

        def post(*arguments):
            def speak():
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b"SSH-2.0-x\r\n\r\n")

            thread = threading.Thread(target=speak)
            thread.start()
            try:
                return module.post(*arguments)
            finally:
                thread.join()

        with pytest.raises(EndpointError, match="no HTTP"):
            CompletionsEndpoint(url, "m", patience=0.5, post=post, sleep=sleep).losses(["a"])


def test_where_there_are_no_log_probabilities_completions_are_compared(fake):
    texts = ["one two three four five six seven", "a b c d", "k l m n"]
    fake.completions = {
        "Go on: one two three": " four five else seven and on",
        "Go on: a b": "x y",
        "Go on: k l": " m n and more " * 10_000,
    }
    assert asking(fake, scoring=BY_MATCH, prompt="Go on: ").losses(texts) == [0.25, 1.0, 0.0]
    assert {"echo", "logprobs"}.isdisjoint(fake.asked[0][1])


@pytest.mark.parametrize("text", [None, 7, ["a"]])
def test_what_is_no_completion_is_an_error(text):
    body = json.dumps({"choices": [{"index": 0, "text": text}]}).encode()
    with pytest.raises(EndpointError, match="no completions"):
        BY_MATCH.losses(body, "", ["a b"])


def answer_of(**changed):
    logprobs = {"text_offset": [0, 4], "token_logprobs": [None, -1.5], **changed.pop("logprobs", {})}
    return json.dumps({"choices": [{"index": 0, "logprobs": logprobs, **changed}]}).encode()


def test_a_plain_answer_is_read():
    assert losses_in(answer_of(), [(0, 8)]) == [1.5]


BAD = [
    b"", b"\xff", b"[]", b"{}", b'{"choices": 7}', b'{"choices": []}', b'{"choices": [null]}', b"[" * 100_000,
    answer_of(index=1), answer_of(index="x"), answer_of(index=None), answer_of(index=0.5),
    answer_of(logprobs={"text_offset": [0]}),
    json.dumps({"choices": [{"index": 0, "logprobs": None}]}).encode(),
    answer_of(logprobs={"token_logprobs": [None, None]}), answer_of(logprobs={"token_logprobs": [None, "x"]}),
    answer_of(logprobs={"token_logprobs": [None, float("nan")]}),
    answer_of(logprobs={"token_logprobs": [None, -(10**400)]}),
    answer_of(logprobs={"text_offset": [0, "x"]}), answer_of(logprobs={"text_offset": [8, 9]}),
    answer_of(logprobs={"text_offset": [0, 1]}), answer_of(logprobs={"text_offset": None}),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_an_answer_of_another_shape_is_an_error(body):
    with pytest.raises(EndpointError):
        losses_in(body, [(0, 8)])


@given(st.binary(max_size=100))
def test_any_octets_are_losses_or_an_error(body):
    with pytest.raises(EndpointError):
        losses_in(body, [(0, 8)])


def test_an_answer_that_is_too_long_is_not_read(fake, monkeypatch):
    monkeypatch.setattr(module, "MAX_ANSWER", 1000)
    with pytest.raises(EndpointError, match="longer than 1,000 octets"):
        asking(fake).losses(["a" * 2000])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example/v1", "https://api.example/v1/completions"),
        ("https://api.example/v1/", "https://api.example/v1/completions"),
        ("https://api.example/v1/completions", "https://api.example/v1/completions"),
        ("https://api.example", "https://api.example/completions"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1/completions"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1/completions"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/completions"),
        ("http://10.1.2.3/v1", "http://10.1.2.3/v1/completions"),
    ],
)
def test_completions_stand_under_the_base(url, expected):
    assert completions_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["http://api.example/v1", "http://9.9.9.9/v1", "ftp://h/v1", "file:///etc/passwd", "h/v1", "", "https://",
     "https://user:password@h/v1", "https://h/v1?key=x", "https://h/v1#x"],
)  # fmt: skip
def test_secrets_are_not_sent_in_the_clear_or_nowhere(url):
    with pytest.raises(ValueError, match=r"https"):
        CompletionsEndpoint(url, "m")
