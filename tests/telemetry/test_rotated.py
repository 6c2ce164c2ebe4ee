"""Logs that others rotate."""

from __future__ import annotations

import pytest

from scrapeguard.telemetry.rotated import RotatedFile


def test_what_comes_after_goes_to_the_new_file_and_nothing_is_lost_meanwhile(tmp_path):
    folder, away = tmp_path / "log", tmp_path / "away"
    folder.mkdir()
    file = RotatedFile(folder / "events")
    file.write("one\n")
    (folder / "events").rename(folder / "events.1")
    file.write("two\n")
    assert (folder / "events.1").read_text() == "one\n"
    folder.rename(away)
    # Where none can be had, the old one takes it.
    file.write("three\n")
    assert (away / "events").read_text() == "two\nthree\n"
    folder.mkdir()
    file.write("four\n")
    file.close()
    assert (folder / "events").read_text() == "four\n"


def test_a_file_that_cannot_be_had_at_all_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        RotatedFile(tmp_path / "missing" / "events")
