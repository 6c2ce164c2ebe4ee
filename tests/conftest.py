from __future__ import annotations

import pytest
from hypothesis import settings

from scrapeguard.core.catalogue import Catalogue
from scrapeguard.core.policy import Policy
from scrapeguard.core.useragent import UserAgentClassifier
from scrapeguard.guard import Guard
from scrapeguard.rulefile.catalogue import load_catalogue
from scrapeguard.rulefile.load import load_policy, packaged_rules

settings.register_profile("default", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=20_000)
settings.load_profile("default")


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
