from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from scrapeguard.core.catalogue import Catalogue
from scrapeguard.core.policy import Policy
from scrapeguard.core.useragent import UserAgentClassifier
from scrapeguard.guard import Guard
from scrapeguard.rulefile.catalogue import load_catalogue
from scrapeguard.rulefile.load import load_policy, packaged_rules

settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=20_000)
settings.load_profile("default")


# Nothing is asked of the network but what a test opens.
_CHROMIUM = (
    "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, without a window; the tests that want one are skipped on machines that have none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is kept in the folders of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def classifier(catalogue: Catalogue) -> UserAgentClassifier:
    return UserAgentClassifier(catalogue)


@pytest.fixture(scope="session")
def default_policy(catalogue: Catalogue) -> Policy:
    return load_policy(packaged_rules(), catalogue=catalogue)


@pytest.fixture
def guard(default_policy: Policy) -> Guard:
    return Guard(default_policy)
