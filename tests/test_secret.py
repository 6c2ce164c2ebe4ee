from __future__ import annotations

import logging
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from scrapeguard.cli.sharing import share_secret
from scrapeguard.secret import SecretError, site_secret


def test_the_environment_comes_first(tmp_path):
    said = {"SCRAPEGUARD_SECRET": "sixteen characters", "HOME": str(tmp_path)}
    assert site_secret(str(tmp_path / "secret"), said) == site_secret(None, said)
    assert not list(tmp_path.iterdir())
    assert len(site_secret(None, said).octets) == 32


def test_a_file_is_made_once_and_read_by_nobody_else(tmp_path):
    file = tmp_path / "deep" / "secret"
    with ThreadPoolExecutor(8) as workers:
        secrets = set(workers.map(lambda _: site_secret(str(file), {}), range(16)))
    assert len(secrets) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert site_secret(str(file), {}) in secrets


def test_without_a_word_it_is_kept_in_the_folder_of_the_user(tmp_path):
    assert site_secret(None, {"HOME": str(tmp_path)}) == site_secret(None, {"HOME": str(tmp_path)})
    assert (tmp_path / ".local" / "state" / "scrapeguard" / "secret").exists()
    site_secret(None, {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": "/nowhere"})
    assert (tmp_path / "state" / "scrapeguard" / "secret").exists()


def test_where_nothing_can_be_kept_it_counts_for_one_process(caplog):
    with caplog.at_level(logging.WARNING, logger="scrapeguard"):
        one, other = (site_secret(None, {"HOME": "/dev/null"}) for _ in range(2))
    assert one != other
    assert not one.is_kept
    assert "count for one process only" in caplog.text


def test_workers_that_are_started_share_one_that_cannot_be_kept(tmp_path):
    nowhere = {"HOME": "/dev/null"}
    share_secret(None, nowhere)
    assert site_secret(None, nowhere) == site_secret(None, nowhere)
    kept = {"HOME": str(tmp_path)}
    share_secret(None, kept)
    assert kept == {"HOME": str(tmp_path)}


def test_a_secret_that_is_none_is_an_error(tmp_path):
    short = tmp_path / "short"
    short.write_text("abc\n")
    with pytest.raises(SecretError, match=r"shorter than 16 characters.*openssl"):
        site_secret(str(short), {})
    with pytest.raises(SecretError, match="SCRAPEGUARD_SECRET is shorter"):
        site_secret(None, {"SCRAPEGUARD_SECRET": "abc"})
    with pytest.raises(SecretError, match="cannot use the secret in"):
        site_secret("/dev/null/secret", {})
