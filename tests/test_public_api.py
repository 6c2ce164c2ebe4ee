from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from inspect import getdoc

import pytest

import scrapeguard


def test_the_surface_is_this_and_nothing_else():
    assert scrapeguard.__all__ == sorted(scrapeguard.__all__)
    assert set(scrapeguard.__all__) == {
        "Action", "CatalogueError", "Decision", "Guard", "Policy", "PolicyError", "Problem", "Request", "RequestError",
        "ScrapeGuard", "ScrapeGuardError", "__version__", "load_policy",
    }  # fmt: skip
    assert dir(scrapeguard) == scrapeguard.__all__


@pytest.mark.parametrize("name", scrapeguard.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getdoc(getattr(scrapeguard, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Scrapeguard'"):
        scrapeguard.Scrapeguard  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    assert version("scrapeguard") == scrapeguard.__version__


def test_importing_the_package_has_no_side_effects():
    code = "import scrapeguard, sys, threading; print(len(threading.enumerate()), 'yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"
