"""Pages to measure: a JSONL file of {"url", "html"}, and those that the generator and Faker make."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scrapeguard.decoys.site import DecoySite

_HOST = "site.test"


class Page(NamedTuple):
    """An address and the HTML found there."""

    url: str
    html: str


def read(path: Path) -> Iterator[Page]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            yield Page(entry["url"], entry["html"])


def decoys(secret: bytes, count: int) -> Iterator[Page]:
    """That many distinct pages of a site: the maze first, then any paths."""
    site = DecoySite(secret, _HOST)
    for number in range(count):
        path = site.maze.link(number).path if number < 4096 else f"/archive/{number}"
        yield Page(f"https://{_HOST}{path}", site.page(path).body.decode())


def plain_texts(secret: bytes, count: int) -> Iterator[str]:
    """The articles of the same pages as plain text."""
    site = DecoySite(secret, _HOST)
    for number in range(count):
        path = site.maze.link(number).path if number < 4096 else f"/archive/{number}"
        yield site.page(f"{path}.txt").body.decode()


def naive(count: int) -> Iterator[Page]:
    """What one gets who asks Faker for the same: names, sentences and paragraphs of its word list."""
    from faker import Faker

    fake = Faker("en_US")
    fake.seed_instance(1)
    for number in range(count):
        paragraphs = "".join(f"<p>{fake.name()} of {fake.company()}: {fake.paragraph(9)}</p>" for _ in range(8))
        links = "".join(f'<li><a href="/{number}/{link}">{fake.sentence(5)}</a></li>' for link in range(8))
        title = fake.sentence(6)
        html = (
            f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{paragraphs}<ul>{links}</ul></body></html>"
        )
        yield Page(f"https://{_HOST}/{number}", html)


def words_of(text: str) -> list[str]:
    """The words of a text, numbers included."""
    return re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text of lines."""
    return [
        part.strip() for part in re.split(r"(?<=[.!?])[\"'\u201d)\]]*\s+(?=[\"'\u201c(\[]?[A-Z0-9])|\n+", text) if part
    ]
