from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.errors import RequestError
from scrapeguard.proxy.fields import FORWARDING, HOP_BY_HOP, Names, ResponseNames, read_head, response_fields

CONTROLS = bytes([*range(9), *range(10, 32), 127])
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!~", min_size=1, max_size=24).map(lambda t: t.encode())
VALUE = st.binary(max_size=40).map(lambda v: v.translate(None, CONTROLS).strip())
KNOWN = st.sampled_from(
    sorted(HOP_BY_HOP | FORWARDING | {b"cookie", b"x-scrapeguard-verdict", b"X_Forwarded_For".lower(), b"set-cookie"})
)
FIELD = st.tuples(st.one_of(TOKEN.map(bytes.lower), KNOWN), VALUE)
LISTED = st.lists(st.one_of(TOKEN, KNOWN), max_size=4).map(b", ".join)


def read(*headers, version="1.1"):
    return read_head(headers, Names(), version)


def names(fields):
    return [name for name, _ in fields]


def test_end_to_end_fields_pass_in_their_order_with_their_duplicates():
    head = read((b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"cookie", b"x=y"))
    assert head.fields == [(b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"cookie", b"x=y")]


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP - {b"transfer-encoding", b"connection"}))
def test_a_field_of_one_connection_ends_here(name):
    assert read((name, b"x"), (b"a", b"1")).fields == [(b"a", b"1")]


@pytest.mark.parametrize(
    ("connection", "left"),
    [
        (b"close, X-Secret", [b"other"]),
        (b"X-SECRET ,other", []),
        (b"keep-alive", [b"x-secret", b"other"]),
        (b"x-secre", [b"x-secret", b"other"]),
        (b"", [b"x-secret", b"other"]),
        (b",,", [b"x-secret", b"other"]),
    ],
)
def test_what_connection_names_ends_here(connection, left):
    assert names(read((b"x-secret", b"1"), (b"connection", connection), (b"other", b"2")).fields) == left


def test_nobody_names_away_what_frames_a_message_or_tells_the_site():
    head = read((b"host", b"a.example"), (b"content-length", b"3"), (b"connection", b"host, content-length, via"))
    assert (head.host, head.length) == (b"a.example", 3)


@pytest.mark.parametrize("name", [b"x-scrapeguard-verdict", b"x_scrapeguard_verdict", b"x-scrapeguard_x"])
def test_no_client_writes_our_own_fields(name):
    assert read((name, b"allow")).fields == []


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"content_length", b"transfer_encoding", b"x-forwarded_proto"])
def test_a_name_that_cgi_would_take_for_another_does_not_pass(name):
    head = read((name, b"1"))
    assert (head.fields, head.told, head.length) == ([], {}, None)


@pytest.mark.parametrize("name", [b"x_other", b"accept_language"])
def test_other_names_with_underscores_pass(name):
    assert names(read((name, b"1")).fields) == [name]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"3"), (b"content-length", b"4")],
        [(b"content-length", b"3, 3")],
        [(b"content-length", b"+3")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"0x3")],
        [(b"content-length", b"3 4")],
        [(b"content-length", b"")],
        [(b"content-length", b"9" * 19)],
        [(b"content-length", "٣".encode())],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"identity")],
        [(b"transfer-encoding", b"xchunked")],
        [(b"transfer-encoding", b"\x0bchunked")],
        [(b"transfer-encoding", b"")],
        [(b"host", b"a"), (b"host", b"a")],
        [(b"host", b"a b")],
        [(b"host", b"a/b")],
        [(b"host", b"user@a")],
        [(b"host", b"a\x80")],
        [(b"connection", b"a;b")],
        [(b"bad name", b"x")],
        [(b"", b"x")],
        [(b"na\x80me", b"x")],
        [(b"a", b"b\r\nc: d")],
        [(b"a", b"b\nc")],
        [(b"a", b"b\0")],
        [(b"a", b"\x7f")],
        [(b"x-forwarded-for", b"1.2.3.4\r\nx-real-ip: 5.6.7.8")],
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(headers):
    with pytest.raises(RequestError):
        read(*headers)


def test_chunks_in_http_1_0_are_refused():
    with pytest.raises(RequestError):
        read((b"transfer-encoding", b"chunked"), version="1.0")


def test_a_length_that_is_said_twice_alike_is_one():
    assert read((b"content-length", b"3"), (b"content-length", b"3")).length == 3


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"CHUNKED"])
def test_chunks_are_chunks_in_any_case(coding):
    head = read((b"transfer-encoding", coding))
    assert (head.chunked, head.length) == (True, None)


@given(st.lists(FIELD, max_size=20), LISTED)
def test_no_field_of_one_connection_or_of_ours_ever_passes(headers, connection):
    framing = {b"content-length", b"transfer-encoding", b"host", b"connection"}
    headers = [field for field in headers if field[0] not in framing]
    try:
        head = read(*headers, (b"connection", connection))
    except RequestError:
        return
    named = {token.strip().lower() for token in connection.split(b",")} - {b"host", b"content-length", b"via"}
    for name in names(head.fields):
        plain = name.replace(b"_", b"-")
        assert plain not in HOP_BY_HOP | FORWARDING
        assert not plain.startswith(b"x-scrapeguard-")
        assert name not in named


@given(st.lists(st.tuples(TOKEN.map(bytes.lower), VALUE), max_size=20))
def test_all_that_passes_is_what_came_octet_for_octet(headers):
    assert read(*headers).fields == [(name, value) for name, value in headers if Names()[name]]


def test_names_are_remembered_up_to_a_ceiling():
    known = Names()
    for number in range(5000):
        assert known[b"x-%d" % number]
    assert len(known) <= 1024
    assert known[b"x-4999"]
    assert not known[b"x-scrapeguard-4999"]


def test_a_long_name_passes_and_is_not_remembered():
    known = Names()
    assert known[b"x" * 60_000]
    assert not known


# Responses


@given(st.lists(FIELD, max_size=20), LISTED)
def test_no_field_of_one_connection_comes_back(headers, connection):
    fields = response_fields([*headers, (b"Connection", connection)], ResponseNames(), bodiless=False)
    named = {token.strip().lower() for token in connection.split(b",")} - {b"content-length"}
    assert not {name for name, _ in fields or []} & (HOP_BY_HOP | named)


def test_fields_of_a_response_pass_with_their_duplicates():
    raw = [(b"Set-Cookie", b"a=1"), (b"X", b"y"), (b"Set-Cookie", b"b=2"), (b"Content-Length", b"3")]
    assert response_fields(raw, ResponseNames(), bodiless=False) == [(name.lower(), value) for name, value in raw]


def test_chunks_take_the_length_away():
    raw = [(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked")]
    assert response_fields(raw, ResponseNames(), bodiless=False) == []


def test_a_status_without_body_has_no_length():
    assert response_fields([(b"Content-Length", b"3"), (b"ETag", b"x")], ResponseNames(), bodiless=True) == [
        (b"etag", b"x")
    ]


def test_names_of_responses_are_remembered_up_to_a_ceiling():
    known = ResponseNames()
    assert [known[b"X-%d" % number] for number in range(5000)] == [b"x-%d" % number for number in range(5000)]
    assert len(known) <= 1024
    assert known[b"Keep-Alive"] == b""


@pytest.mark.parametrize(
    "field",
    [
        (b"a", b"b\r\nset-cookie: x"),
        (b"a", b"b\nc"),
        (b"a", b"\0"),
        (b"a", b"\x01"),
        (b"a", b"\x7f"),
        (b"a b", b"c"),
        (b"a\r\n", b"c"),
    ],
)
def test_a_field_that_ends_a_line_of_its_own_accord_spoils_the_response(field):
    assert response_fields([(b"x", b"y"), field], ResponseNames(), bodiless=False) is None
