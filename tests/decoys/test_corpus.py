from __future__ import annotations

import re

import pytest

from scrapeguard.decoys.site import DecoySite

NAMES = ("Marrow", "Brandt", "Ilse", "Hollin", "Aarre", "Nils")


@pytest.fixture(scope="module")
def own(secret, corpora):
    return DecoySite(secret, "ferry.example", corpus=corpora / "own")


@pytest.fixture(scope="module")
def texts(own):
    return [own.page(f"/page/{number}.txt").body.decode() for number in range(60)]


def test_decoys_speak_of_what_the_owner_speaks_of(texts):
    words = ("ferry", "pier", "islanders", "harbour", "crew")
    assert all(sum(word in text for word in words) >= 3 for text in texts)


def test_no_name_or_figure_of_the_owner_is_left(texts):
    for text in texts:
        assert not any(re.search(rf"\b{name}\b", text) for name in NAMES)
        # Another figure of the text may become the same by chance, in another place.
        assert not re.search(r"in 1911\b|carries 180\b|[Ii]n 1954\b|\b31 passengers", text)


def test_no_sentence_of_the_owner_stays_as_it_is(texts, corpora):
    original = set((corpora / "own" / "ferry.md").read_text(encoding="utf-8").split("\n"))
    for text in texts:
        assert not original & {sentence.strip() for sentence in re.findall(r"[^.!?\n]+[.!?]", text)}


def test_the_same_name_always_becomes_the_same(texts):
    found = {name for text in texts for name in re.findall(r"(\w+) knew each rock", text)}
    assert len(found) == 1


def test_claims_are_turned(texts):
    assert any("The last ferry of" in text for text in texts)
    assert not any("The first ferry of" in text for text in texts)


def test_the_corpus_may_be_html(tmp_path, corpora, secret):
    lines = (corpora / "own" / "ferry.md").read_text(encoding="utf-8").split("\n")
    body = "".join(f"<p>{line}</p>" for line in lines if line)
    page = f"<html><nav>Menu of the site</nav><script>var secret = 1;</script><main>{body}</main></html>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    text = DecoySite(secret, "ferry.example", corpus=tmp_path).page("/a.txt").body.decode()
    assert "secret" not in text
    assert "Menu" not in text
    assert "pier" in text


def test_a_folder_without_texts_is_refused(tmp_path, secret):
    (tmp_path / "short.txt").write_text("One sentence that is far too little for any decoy.", encoding="utf-8")
    with pytest.raises(ValueError, match="at least 12"):
        DecoySite(secret, "ferry.example", corpus=tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        DecoySite(secret, "ferry.example", corpus=tmp_path / "missing")


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path, corpora, secret):
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "ferry.md").write_bytes((corpora / "own" / "ferry.md").read_bytes())
    assert DecoySite(secret, "ferry.example", corpus=tmp_path).page("/a").body
