"""The words of a rule file, and what they name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapeguard.stores.choose import open_store, store_fault
from scrapeguard.stores.memory import MemoryStore
from scrapeguard.stores.port import StoreError
from scrapeguard.stores.sqlite import SqliteStore
from scrapeguard.stores.valkey import ValkeyStore
from scrapeguard.stores.valkeyurl import Address, read_url

BASE = Path("/srv/site")
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("memory", MemoryStore, None),
        ("sqlite:store.db", SqliteStore, "SqliteStore('/srv/site/store.db')"),
        ("sqlite:../var/a b.db", SqliteStore, "SqliteStore('/srv/site/../var/a b.db')"),
        ("sqlite:/var/lib/store.db", SqliteStore, "SqliteStore('/var/lib/store.db')"),
        ("valkey://localhost", ValkeyStore, "ValkeyStore('valkey://localhost:6379/0')"),
        ("redis://:hunter2@cache.example:7000/3", ValkeyStore, "ValkeyStore('valkey://cache.example:7000/3')"),
        ("rediss://ada:hunter2@[2001:db8::1]:7000", ValkeyStore, "ValkeyStore('valkeys://[2001:db8::1]:7000/0')"),
        ("unix://:hunter2@/run/valkey.sock?db=1", ValkeyStore, "ValkeyStore('unix:///run/valkey.sock?db=1')"),
    ],
)
def test_a_store_is_named_and_not_opened(text, kind, shown):
    assert store_fault(text) is None
    store = open_store(text, BASE)
    assert isinstance(store, kind)
    assert shown is None or repr(store) == shown


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a store is memory, sqlite:FILE, or a URL"),
        ("Memory", "a store is memory, sqlite:FILE, or a URL"),
        ("sqlite", "a store is memory, sqlite:FILE, or a URL"),
        ("postgres://host/db", "a store is memory, sqlite:FILE, or a URL"),
        ("valkey:host", "a store is memory, sqlite:FILE, or a URL"),
        ("sqlite:", "write sqlite:FILE"),
        ("sqlite:///store.db", "write sqlite:FILE"),
        ("sqlite::memory:", "write memory"),
        ("sqlite:folder/", "names no file"),
        ("sqlite:a\0b", "control character"),
        ("x" * 3000, "at most 2,000 characters"),
        ("valkey://", "names no host"),
        ("valkey://:hunter2@", "names no host"),
        ("valkey://host:hunter2", "host or port"),
        ("valkey://host:99999", "host or port"),
        ("valkey://[hunter2", "host or port"),
        ("redis://:hun/hunter2@host", "host or port"),
        ("redis://:1/hunter2@host", "names no host"),
        ("redis://ada:hunter2#x@host", "host or port"),
        ("redis://hunter2#x@host", "holds a #"),
        ("redis://hunter2?x@host", "after the \\?"),
        ("redis://hunter2@host", "a user and no password"),
        ("valkey://host/hunter2", "no number from 0"),
        ("valkey://host/-1", "no number from 0"),
        ("valkey://host/65536", "no number from 0"),
        ("valkey://host/²", "no number from 0"),
        ("valkey://host/1?db=2", "twice"),
        ("valkey://host?db=1&db=2", "each once"),
        ("valkey://host?hunter2=1", "only db=NUMBER"),
        ("valkey://host?hunter2", "only db=NUMBER"),
        ("valkey://host?ca=/ca.pem", "ca=FILE is for"),
        ("rediss://host?ca=", "ca=FILE is for"),
        ("valkey://host hunter2", "percent-encoded"),
        ("unix://run/valkey.sock", "three slashes"),
        ("unix:///", "three slashes"),
        ("unix:///run/valkey.sock?db=hunter2", "no number from 0"),
    ],
)
def test_what_names_no_store_is_told_without_its_secrets(text, fault):
    with pytest.raises(StoreError, match=fault) as raised:
        open_store(text, BASE)
    assert store_fault(text) == str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    fault = 'Valkey and Redis need an extra: pip install "scrapeguard[valkey]"'
    assert store_fault("valkey://localhost") == fault
    assert store_fault("sqlite:store.db") is None
    for attempt in (lambda: open_store("valkey://localhost", BASE), lambda: ValkeyStore("valkey://localhost")):
        with pytest.raises(StoreError) as raised:
            attempt()
        assert str(raised.value) == fault


def test_a_wrong_url_given_in_code_is_an_error_too():
    with pytest.raises(StoreError, match="begins with none of valkey://"):
        ValkeyStore("http://host")


def test_percent_encoding_is_read():
    read = read_url("rediss://a%40b:p%2Fw%23@cache.example/4?ca=/etc/my%20ca.pem")
    assert (read.username, read.password, read.ca) == ("a@b", "p/w#", "/etc/my ca.pem")
    assert read == Address("cache.example", 6379, "", 4, True, "a@b", "p/w#", "/etc/my ca.pem")
    assert "p/w#" not in repr(read)


@given(st.text(alphabet=st.sampled_from("valkeyredisunx:/@?#[]%=&.0129hunter2 \0é"), max_size=60), st.booleans())
def test_any_text_is_a_store_or_a_fault(text, prefixed):
    text = f"valkey://{text}" if prefixed else text
    fault = store_fault(text)
    if fault is None:
        assert repr(open_store(text, BASE))
    else:
        assert fault
        with pytest.raises(StoreError):
            open_store(text, BASE)
