from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from scrapeguard.core.glob import PathPattern
from scrapeguard.core.optout import Place, license_url, response_headers, rsl_license, statements, tdm_reservation
from scrapeguard.core.policy import OptOut, SitePolicy
from scrapeguard.core.sharing import PathSharing, Use


def site(train, ai_use, search=True, **signals):
    return SitePolicy({Use.TRAIN: train, Use.AI_USE: ai_use, Use.SEARCH: search}, opt_out=OptOut(**signals))


def said(policy):
    headers = {name.decode(): value.decode() for name, value in response_headers(Place(policy))}
    return headers, dict(statements(Place(policy)).in_groups)


def test_all_is_said_in_every_vocabulary():
    headers, lines = said(site(train=False, ai_use=False, tdm_policy="https://example.com/terms"))
    assert headers == {
        "content-usage": "train-ai=n, ai-use=n",
        "tdm-reservation": "1",
        "tdm-policy": "https://example.com/terms",
        "x-robots-tag": "noai, noimageai",
    }
    assert lines == {
        "Content-Usage": "train-ai=n, ai-use=n",
        "Content-Signal": "search=yes, ai-input=no, ai-train=no",
    }


def test_what_is_shared_is_not_said_no_to():
    headers, lines = said(site(train=True, ai_use=False))
    assert headers == {"content-usage": "ai-use=n", "tdm-reservation": "1"}
    assert lines["Content-Signal"] == "search=yes, ai-input=no, ai-train=yes"
    assert said(site(train=True, ai_use=True)) == ({}, {})
    assert tdm_reservation(site(train=True, ai_use=True)) is None
    headers, _ = said(site(train=True, ai_use=True, search=False))
    assert headers == {"content-usage": "search=n"}


@pytest.mark.parametrize(
    ("off", "header", "line"),
    [
        ("content_usage", "content-usage", "Content-Usage"),
        ("content_signal", None, "Content-Signal"),
        ("tdm", "tdm-reservation", None),
        ("noai", "x-robots-tag", None),
    ],
)
def test_each_can_be_turned_off(off, header, line):
    everything = said(site(train=False, ai_use=False))
    headers, lines = said(site(train=False, ai_use=False, **{off: False}))
    assert set(everything[0]) - set(headers) == ({header} if header else set())
    assert set(everything[1]) - set(lines) == ({line} if line else set())


def test_search_is_never_harmed():
    for train in (False, True):
        headers, _ = said(site(train=train, ai_use=False))
        assert not {"noindex", "nosnippet", "noarchive"} & set(" ".join(headers.values()).replace(",", " ").split())


def test_the_reservation_is_a_list_of_one():
    reservation = tdm_reservation(site(train=False, ai_use=True, tdm_policy="https://example.com/t"))
    assert json.loads(reservation) == [{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://example.com/t"}]


def with_paths(**more):
    shared, closed = dict.fromkeys(Use, True), {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True}
    said = (
        PathSharing(PathPattern("/"), closed),
        PathSharing(PathPattern("/*.pdf$"), closed, private=True, noindex=True),
        PathSharing(PathPattern("/open data/"), shared),
    )
    return SitePolicy(more.pop("site", shared), paths=said, opt_out=OptOut(**more))


def reservation_of(entries, path):
    """What a reader of the file makes of a path: the first entry that matches counts (TDMRep §6)."""
    return next(e["tdm-reservation"] for e in entries if PathPattern(e["location"]).matches(path))


@pytest.mark.parametrize(
    ("path", "reserved"), [("/open data/x.csv", 0), ("/open data/x.pdf", 0), ("/a/x.pdf", 1), ("/anything", 1)]
)
def test_the_reservation_of_a_path_is_found_by_the_first_entry_that_matches(path, reserved):
    policy = with_paths()
    assert reservation_of(json.loads(tdm_reservation(policy)), path) == reserved
    headers = dict(response_headers(Place(policy, said=policy.by_path.find(path))))
    assert headers[b"tdm-reservation"] == b"%d" % reserved


def test_entries_of_the_reservation_are_written_as_robots_txt_writes_paths():
    entries = json.loads(tdm_reservation(with_paths(tdm_policy="https://example.com/t")))
    assert [entry["location"] for entry in entries] == ["/open%20data/", "/*.pdf$", "/", "/"]
    assert "tdm-policy" not in entries[0]
    assert entries[1]["tdm-policy"] == "https://example.com/t"
    assert tdm_reservation(with_paths(tdm=False)) is None


def test_groups_of_robots_txt_say_it_path_by_path():
    said = statements(Place(with_paths())).in_groups
    assert said == (
        ("Content-Usage", "/open%20data/ train-ai=y, ai-use=y"),
        ("Content-Usage", "/*.pdf$ train-ai=n, ai-use=n"),
        ("Content-Usage", "/ train-ai=n, ai-use=n"),
        ("Content-Signal", "/open%20data/ search=yes, ai-input=yes, ai-train=yes"),
        ("Content-Signal", "/*.pdf$ search=yes, ai-input=no, ai-train=no"),
        ("Content-Signal", "/ search=yes, ai-input=no, ai-train=no"),
    )
    assert statements(Place(with_paths(content_usage=False, content_signal=False))).in_groups == ()


def test_a_page_is_left_out_of_search_only_where_that_is_asked_for():
    policy = with_paths()
    tags = {
        path: dict(response_headers(Place(policy, said=policy.by_path.find(path)))).get(b"x-robots-tag")
        for path in ("/x.pdf", "/x", "/open data/")
    }
    assert tags == {"/x.pdf": b"noai, noimageai, noindex", "/x": b"noai, noimageai", "/open data/": None}
    only = SitePolicy(
        dict.fromkeys(Use, True), paths=(PathSharing(PathPattern("/o"), dict.fromkeys(Use, True), noindex=True),)
    )
    assert response_headers(Place(only, said=only.paths[0])) == ((b"x-robots-tag", b"noindex"),)


@pytest.mark.parametrize("said", [None, 2])
def test_a_refusal_by_the_author_closes_the_page_whatever_else_is_said(said):
    policy = with_paths()
    place = Place(policy, said=None if said is None else policy.paths[said], refused=True)
    headers = dict(response_headers(place))
    assert headers[b"content-usage"] == b"train-ai=n, ai-use=n"
    assert (headers[b"tdm-reservation"], headers[b"x-robots-tag"]) == (b"1", b"noai, noimageai")


NAMESPACE = "{https://rslstandard.org/rsl}"


def contents(policy):
    """The licence as a reader of XML sees it: for each path the tokens that are permitted and prohibited."""
    root = ElementTree.fromstring(rsl_license(policy))
    assert root.tag == NAMESPACE + "rsl"
    read = {}
    for content in root:
        (licence,) = content
        assert [child.get("type") for child in licence] == ["usage"] * len(licence)
        read[content.get("url")] = {child.tag.removeprefix(NAMESPACE): child.text.split() for child in licence}
    return read


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((False, False, True), {"permits": ["search"], "prohibits": ["ai-all"]}),
        ((False, False, False), {"prohibits": ["all"]}),
        ((True, False, True), {"permits": ["ai-train", "search"], "prohibits": ["ai-input", "ai-index"]}),
        ((False, True, True), {"permits": ["ai-input", "ai-index", "search"], "prohibits": ["ai-train"]}),
        ((True, True, False), {"permits": ["ai-all"], "prohibits": ["search"]}),
    ],
)
def test_the_licence_says_what_is_shared(shares, said):
    assert contents(site(*shares)) == {"/": said}


def test_the_licence_speaks_of_paths_too():
    quoted = SitePolicy(
        {Use.TRAIN: False, Use.AI_USE: False, Use.SEARCH: True},
        paths=(PathSharing(PathPattern('/a"<b>&/'), dict.fromkeys(Use, True)),),
    )
    assert contents(quoted) == {
        "/a%22%3Cb%3E&/": {"permits": ["all"]},
        "/": {"permits": ["search"], "prohibits": ["ai-all"]},
    }


def test_where_the_licence_stands():
    closed = site(train=False, ai_use=False)
    assert license_url(Place(closed, "https://h.example")) == "https://h.example/license.xml"
    assert license_url(Place(closed)) == ""
    elsewhere = site(train=False, ai_use=False, rsl_license="https://l.example/x.xml")
    assert license_url(Place(elsewhere)) == "https://l.example/x.xml"
    assert statements(Place(elsewhere)).license == "https://l.example/x.xml"
    assert rsl_license(elsewhere) is None
    off = site(train=False, ai_use=False, rsl=False)
    assert (license_url(Place(off, "https://h.example")), rsl_license(off)) == ("", None)
    everything = site(train=True, ai_use=True)
    assert (license_url(Place(everything, "https://h.example")), rsl_license(everything)) == ("", None)
