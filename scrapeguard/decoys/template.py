"""The page around an article: the owner's own, one learnt from a page of the site, or a plain default.

A template is HTML with `{{title}}` and `{{content}}`, and if wanted `{{links}}`, `{{section}}`, `{{author}}`,
`{{date}}` and `{{description}}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 512 * 1024
"""A page that is longer is no template."""
FIELDS = frozenset({"title", "content", "links", "section", "author", "date", "description"})

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_DEFAULT = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{{{title}}}}</title>
<meta name="description" content="{{{{description}}}}">
<style>body{{font:1.05rem/1.6 Georgia,serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#222}}
nav,footer{{font:.9rem/1.5 system-ui,sans-serif}}nav ul{{padding:0}}nav li{{display:inline;margin-right:1rem}}
img{{max-width:100%}}a{{color:inherit}}</style>
</head>
<body>
<main><article>
<h1>{{{{title}}}}</h1>
{{{{content}}}}</article></main>
<nav><ul>
{{{{links}}}}</ul></nav>
<footer>{{{{section}}}} · {{{{author}}}} · {{{{date}}}}</footer>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Template:
    """HTML cut at its placeholders: text, name, text, name, ..., text.

    Args:
        pieces: texts at even places, names of fields at odd ones.
        classes: the attributes that a tag of the content gets, each with a space before it.
    """

    pieces: tuple[str, ...]
    classes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, html: str, classes: Mapping[str, str] | None = None) -> Template:
        """The template that a text is.

        Raises:
            ValueError: it is too long, lacks `{{title}}` or `{{content}}`, or has a placeholder that there is not.
        """
        if len(html) > MAX_BYTES:
            raise ValueError(f"a template of {len(html)} characters: at most {MAX_BYTES}")
        pieces = tuple(_PLACEHOLDER.split(html))
        names = set(pieces[1::2])
        if missing := {"title", "content"} - names:
            raise ValueError(f"a template without {{{{{min(missing)}}}}}: say where it is to stand")
        if unknown := names - FIELDS:
            raise ValueError(f"{{{{{min(unknown)}}}}} in a template: there are {', '.join(sorted(FIELDS))}")
        return cls(pieces, classes or {})

    @classmethod
    def read(cls, path: Path) -> Template:
        """The template of a file."""
        with path.open(encoding="utf-8") as file:
            return cls.of(file.read(MAX_BYTES + 1))

    def rendered(self, fields: Mapping[str, str]) -> str:
        """The page with its fields, which are HTML already."""
        pieces = list(self.pieces)
        pieces[1::2] = [fields[name] for name in self.pieces[1::2]]
        return "".join(pieces)


def default(locale: str) -> Template:
    """A clean page without anything of the site."""
    return Template.of(_DEFAULT.format(lang=locale.partition("_")[0]))
