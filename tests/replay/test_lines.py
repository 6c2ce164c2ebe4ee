from __future__ import annotations

import io
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.core.decision import Action
from scrapeguard.core.signals import Evidence
from scrapeguard.replay.lines import MAX_LINE, LineError, Logged, lines_of, read_line

AT = b"[22/Nov/2026:10:00:03 +0100]"
TIME = 1795338003.0


def combined(request=b"GET / HTTP/1.1", *, before=b"192.0.2.1 - -", status=b"200", referrer=b"-", agent=b"curl/8"):
    return b'%b %b "%b" %b 12 "%b" "%b"' % (before, AT, request, status, referrer, agent)


def test_a_line_of_the_combined_format_is_read():
    line = combined(b"GET /a?b=c HTTP/2.0", referrer=b"https://h/x", agent=b"Mozilla/5.0")
    assert read_line(line) == Logged(
        TIME, "192.0.2.1", "GET", "/a?b=c", "", b"Mozilla/5.0", "https://h/x", knows_referrer=True, status=200
    )


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        (combined(before=b"2001:db8::7 - ada"), "client", "2001:db8::7"),
        (combined(before=b"blog.example:443 192.0.2.1 - -"), "host", "blog.example"),
        (combined(before=b"blog.example:443 192.0.2.1 - -"), "client", "192.0.2.1"),
        (combined(before=b"blog.example 192.0.2.1 - -"), "host", "blog.example"),
        (combined(before=b"blog.example 2001:db8::7 - ada"), "client", "2001:db8::7"),
        (combined(before=b"ada.example - -"), "client", "ada.example"),
        (combined(b"GET http://h.example/x?y HTTP/1.1"), "host", "h.example"),
        (combined(b"GET http://h.example/x?y HTTP/1.1"), "target", "/x?y"),
        (combined(b"GET http://h.example HTTP/1.1"), "target", "/"),
        (combined(b"GET /a\\x22b"), "target", '/a"b'),
        (combined(agent=b'say \\"hi\\" \\\\ \\xc3\\xbc'), "user_agent", 'say "hi" \\ ü'.encode()),
        (combined(agent=b"-"), "user_agent", None),
        (combined(status=b"-"), "status", None),
        (combined() + b' "192.0.2.9" 0.003', "user_agent", b"curl/8"),
    ],
)
def test_what_servers_write_is_understood(line, field, value):
    assert getattr(read_line(line), field) == value


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "combined format"),
        (b"hello", "combined format"),
        (combined(b"\\x16\\x03\\x01"), "no request"),
        (combined(b"CONNECT h:443 HTTP/1.1"), "no path"),
        (combined(b"GET //[ HTTP/1.1").replace(b"//[", b"http://[/"), "no path"),
        (combined().replace(b"Nov", b"Now"), "22/Nov/2026"),
        (combined().replace(b"22/", b"31/"), "time is none"),
        (combined()[: combined().index(b' "-"')], "User-Agent"),
        (b"x" * (MAX_LINE + 1), "longer than"),
        (b"{", "no JSON"),
        (b"{}", "no event"),
        (b"[" * 5000, "combined format"),
        (b'{"a":' * 5000, "no JSON"),
        (b'{"time": "2026-11-22T09:00:00+00:00", "events_lost": 7}', "7 events were lost"),
    ],
)
def test_a_line_that_tells_of_no_request_is_refused_with_the_reason(line, says):
    with pytest.raises(LineError, match=says):
        read_line(line)


EVENT = {
    "time": "2026-11-22T09:00:03.000+00:00",
    "reference": "00",
    "enforced": True,
    "method": "GET",
    "host": "h.example",
    "path": "/x",
    "user_agent": "Mozilla/5.0 \xfc",
    "action": "challenge",
    "status": 403,
    "rule": "thresholds.60",
    "score": 60,
    "agent": None,
    "client": "192.0.2.1",
    "reasons": [{"signal": "no-sec-fetch", "weight": 60, "evidence": "Chrome 141 without Sec-Fetch-*"}],
}


def test_an_event_is_read():
    seen = (Evidence("no-sec-fetch", "Chrome 141 without Sec-Fetch-*"),)
    assert read_line(json.dumps(EVENT).encode()) == Logged(
        TIME,
        "192.0.2.1",
        "GET",
        "/x",
        "h.example",
        b"Mozilla/5.0 \xfc",
        status=403,
        seen=seen,
        action=Action.CHALLENGE,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"time": "soon"},
        {"time": 7},
        {"path": 7},
        {"path": "x"},
        {"action": "shrug"},
        {"user_agent": "\u4e00"},
        {"reasons": [{"signal": "none-such", "evidence": ""}]},
        {"reasons": 7},
        {"reasons": [7]},
        {"status": "many"},
    ],
)
def test_what_is_no_event_is_refused(change):
    with pytest.raises(LineError):
        read_line(json.dumps(EVENT | change).encode())


@given(st.binary(max_size=300) | st.builds(lambda a, b: b"{" + a + combined(b), st.binary(max_size=40), st.binary()))
def test_any_line_is_read_or_refused(line):
    with suppress(LineError):
        assert read_line(line).target.startswith("/")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s, max_size=3)))
def test_any_json_is_an_event_or_refused(value):
    for key in EVENT:
        with suppress(LineError):
            assert read_line(json.dumps(EVENT | {key: value}).encode()).client in ("192.0.2.1", str(value), None)


def test_lines_have_numbers_and_a_long_one_is_one_line():
    stream = io.BytesIO(b"one\r\n" + b"x" * (3 * MAX_LINE) + b"\nthree")
    numbered = [(number, len(line)) for number, line in lines_of(stream)]
    assert numbered == [(1, 3), (2, MAX_LINE + 2), (3, 5)]
