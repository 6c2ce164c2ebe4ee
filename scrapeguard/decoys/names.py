"""What invented names of a locale are made of, from its names.txt."""

from __future__ import annotations

from importlib.resources import files

from scrapeguard.decoys.worlds import NameParts


def name_parts(locale: str) -> NameParts:
    """The parts of a locale that has a folder of words."""
    file = files("scrapeguard").joinpath("data/decoys").joinpath(locale).joinpath("names.txt")
    lines = (line for line in file.read_text(encoding="utf-8").split("\n") if line.strip() and not line.startswith("#"))
    fields = dict(line.split(": ", 1) for line in lines)

    def words(name: str, separator: str = ",") -> tuple[str, ...]:
        return tuple(word.strip() for word in fields[name].split(separator))

    she, her, to_her, he, his, him = words("pronouns")
    return NameParts(
        words("stems"),
        words("onsets"),
        words("vowels"),
        words("codas"),
        words("surname_endings"),
        words("town_endings"),
        ((she, her, to_her), (he, his, him)),
        words("titles") if "titles" in fields else (),
        words("firms", ";"),
        frozenset(words("real")),
    )
