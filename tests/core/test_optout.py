from __future__ import annotations

import json

import pytest

from scrapeguard.core.optout import announcement
from scrapeguard.core.policy import OptOut, SitePolicy, Use


def site(train, ai_use, search=True, **signals):
    return SitePolicy({Use.TRAIN: train, Use.AI_USE: ai_use, Use.SEARCH: search}, opt_out=OptOut(**signals))


def said(policy):
    headers = {name.decode(): value.decode() for name, value in announcement(policy).headers}
    return headers, dict(announcement(policy).statements.in_groups)


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
    assert announcement(site(train=True, ai_use=True)).tdm_reservation is None
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
    reservation = announcement(site(train=False, ai_use=True, tdm_policy="https://example.com/t")).tdm_reservation
    assert json.loads(reservation) == [{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://example.com/t"}]
