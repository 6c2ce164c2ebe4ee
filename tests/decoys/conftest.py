from __future__ import annotations

from pathlib import Path

import pytest

from scrapeguard.decoys.site import DecoySite

SECRET = b"a secret of thirty-two bytes ..."
CORPORA = Path(__file__).parents[1] / "corpora" / "decoys"


@pytest.fixture(scope="session")
def site():
    return DecoySite(SECRET, "gazette.example")


@pytest.fixture(scope="session")
def german():
    return DecoySite(SECRET, "gazette.example", locale="de_DE")


@pytest.fixture(scope="session")
def pages(site):
    """The articles of 150 maze pages as plain text, by path."""
    paths = [site.maze.link(number).path for number in range(150)]
    return {path: site.page(f"{path}.txt").body.decode() for path in paths}


@pytest.fixture(scope="session")
def corpora():
    return CORPORA


@pytest.fixture(scope="session")
def secret():
    return SECRET
