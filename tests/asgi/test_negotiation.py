from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.asgi.negotiation import Form, preferred_form

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.TEXT),
        ("", Form.TEXT),
        ("*/*", Form.TEXT),
        (CHROME, Form.HTML),
        ("application/json", Form.JSON),
        ("application/problem+json", Form.JSON),
        ("application/vnd.api+json", Form.JSON),
        ("application/json, text/plain, */*", Form.JSON),
        ("text/html;q=0.1, application/json;q=0.9", Form.JSON),
        ("text/html;q=0", Form.TEXT),
        ("TEXT/HTML ; Q=1", Form.HTML),
        ("text/html;level=1;q=0.5, text/plain;q=0.6", Form.TEXT),
        ("text/html;q=junk, application/json;q=0.2", Form.JSON),
        ("image/png", Form.TEXT),
    ],
)
def test_the_form_is_the_one_asked_for(accept, form):
    assert preferred_form(accept.encode() if accept is not None else None) is form


@given(st.binary(max_size=3000))
def test_any_octets_get_a_form(accept):
    assert preferred_form(accept) in Form
