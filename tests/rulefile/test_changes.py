"""Whether a rule file was changed."""

from __future__ import annotations

from scrapeguard.rulefile.changes import Changes


def test_a_change_is_told_once_and_a_file_that_is_gone_is_none(tmp_path):
    path, other = tmp_path / "rules.yaml", tmp_path / "new.yaml"
    changes = Changes(path)
    assert not changes.there_are()
    path.write_text("version: 1\n")
    assert [changes.there_are(), changes.there_are()] == [True, False]
    # As editors do it: the same text in another file, which takes the place of the old one.
    other.write_text("version: 1\n")
    other.replace(path)
    assert [changes.there_are(), changes.there_are()] == [True, False]
    path.write_text("version: 1\nmode: observe\n")
    assert changes.there_are()
    path.unlink()
    assert not changes.there_are()
