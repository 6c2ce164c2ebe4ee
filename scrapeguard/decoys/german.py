"""How German words change: articles by gender and case; all else its lexicon spells out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scrapeguard.decoys.lexicon import Words
from scrapeguard.decoys.register import Mark

DATE = "{day}. {month}"
THOUSANDS = "."
SAID = ("{verb} <P>", "{verb} <Ql>", "{verb} <Q>")
MARKS: Mapping[str, Mark] = {}
"""None: there are too few clauses to leave some out."""

_ARTICLES = {
    "dn": {"m": "der", "f": "die", "n": "das"},
    "an": {"m": "den", "f": "die", "n": "das"},
    "dd": {"m": "dem", "f": "der", "n": "dem"},
    "en": {"m": "ein", "f": "eine", "n": "ein"},
    "ea": {"m": "einen", "f": "eine", "n": "ein"},
    "ed": {"m": "einem", "f": "einer", "n": "einem"},
    "wd": {"m": "dem", "f": "der", "n": "dem"},
}
_NOUNS = {"thing": "n", "part": "p", "tool": "t", "who": "w", "fault": "f", "event": "e", "place": "l", "concern": "c"}
_WEAK = {"Pomologe", "Nachbar", "Geselle", "Kunde", "Organist", "Solist", "Florist", "Vorsitzende"}


def topic_banks(words: Words) -> dict[str, tuple[str, ...]]:
    """The words of a subject by the names that clauses use; a noun stands in each case with its article."""
    banks = {"m": words["stuff"], "a": words["quality"], "g": words["circle"]}
    for name, short in _NOUNS.items():
        nouns = [entry.split(" ") for entry in words[name]]
        banks[short] = tuple(noun[0] for noun in nouns)
        banks[f"{short}s"] = tuple(noun[-1] if len(noun) > 2 else noun[0] for noun in nouns)
        for case, articles in _ARTICLES.items():
            banks[f"{case}.{short}"] = tuple(f"{articles[noun[1]]} {_in_case(noun, case)}" for noun in nouns)
    banks["v"], banks["vn"] = _verbs(words["do"])
    banks["zv"] = tuple(
        _with_to(infinitive, participle) for infinitive, participle in zip(banks["v"], banks["vn"], strict=True)
    )
    banks["qe"] = tuple(f"{quality}e" for quality in words["quality"])
    return banks


def _in_case(noun: Sequence[str], case: str) -> str:
    """The singular of a noun: some masculine ones end in -n but in the nominative."""
    word = noun[0]
    if word == "Vorsitzende":
        return "Vorsitzender" if case == "en" else word if case == "dn" else "Vorsitzenden"
    if word in _WEAK and case not in ("dn", "en"):
        return f"{word}n" if word.endswith(("e", "r")) else f"{word}en"
    return word


def _verbs(entries: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = [entry.split(" ") for entry in entries]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _with_to(infinitive: str, participle: str) -> str:
    """The infinitive with its "zu", which stands in the middle of some: einzustudieren."""
    for prefix in ("auf", "ein", "um", "vor"):
        if infinitive.startswith(prefix) and participle.startswith(prefix):
            return f"{prefix}zu{infinitive.removeprefix(prefix)}"
    return f"zu {infinitive}"


def phrase_banks(phrases: Words) -> dict[str, tuple[str, ...]]:
    """The verbs that fit any subject."""
    infinitives, participles = _verbs(phrases["gv"])
    return {"gv": infinitives, "gvn": participles}


def derived(kind: str, phrase: str) -> str:
    """No clause asks for this: the lexicon names each form.

    Raises:
        KeyError: one does.
    """
    raise KeyError(f"{kind}.{phrase}")
