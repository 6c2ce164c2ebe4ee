"""How English words change: plurals, verb forms, articles."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from scrapeguard.decoys.lexicon import Words
from scrapeguard.decoys.register import Mark

_IRREGULAR = {
    "bind": ("bound", "bound"),
    "blow": ("blew", "blown"),
    "board": ("boarded", "boarded"),
    "breed": ("bred", "bred"),
    "bring": ("brought", "brought"),
    "build": ("built", "built"),
    "buy": ("bought", "bought"),
    "cast": ("cast", "cast"),
    "catch": ("caught", "caught"),
    "choose": ("chose", "chosen"),
    "cut": ("cut", "cut"),
    "dig": ("dug", "dug"),
    "draw": ("drew", "drawn"),
    "drive": ("drove", "driven"),
    "feed": ("fed", "fed"),
    "find": ("found", "found"),
    "fly": ("flew", "flown"),
    "forget": ("forgot", "forgotten"),
    "forgive": ("forgave", "forgiven"),
    "freeze": ("froze", "frozen"),
    "grind": ("ground", "ground"),
    "grow": ("grew", "grown"),
    "hang": ("hung", "hung"),
    "hear": ("heard", "heard"),
    "hide": ("hid", "hidden"),
    "hold": ("held", "held"),
    "leave": ("left", "left"),
    "lose": ("lost", "lost"),
    "mistake": ("mistook", "mistaken"),
    "misunderstand": ("misunderstood", "misunderstood"),
    "overtake": ("overtook", "overtaken"),
    "spend": ("spent", "spent"),
    "strike": ("struck", "struck"),
    "throw": ("threw", "thrown"),
    "haul": ("hauled", "hauled"),
    "lay": ("laid", "laid"),
    "lead": ("led", "led"),
    "light": ("lit", "lit"),
    "make": ("made", "made"),
    "shear": ("sheared", "shorn"),
    "shrink": ("shrank", "shrunk"),
    "lend": ("lent", "lent"),
    "let": ("let", "let"),
    "mix": ("mixed", "mixed"),
    "read": ("read", "read"),
    "rebind": ("rebound", "rebound"),
    "rebuild": ("rebuilt", "rebuilt"),
    "redraw": ("redrew", "redrawn"),
    "rewrite": ("rewrote", "rewritten"),
    "ride": ("rode", "ridden"),
    "ring": ("rang", "rung"),
    "run": ("ran", "run"),
    "sell": ("sold", "sold"),
    "set": ("set", "set"),
    "sew": ("sewed", "sewn"),
    "shoot": ("shot", "shot"),
    "show": ("showed", "shown"),
    "sing": ("sang", "sung"),
    "sow": ("sowed", "sown"),
    "spin": ("spun", "spun"),
    "split": ("split", "split"),
    "string": ("strung", "strung"),
    "sweep": ("swept", "swept"),
    "take": ("took", "taken"),
    "teach": ("taught", "taught"),
    "tread": ("trod", "trodden"),
    "weave": ("wove", "woven"),
    "win": ("won", "won"),
    "wind": ("wound", "wound"),
    "write": ("wrote", "written"),
    "speed": ("sped", "sped"),
}
_PLURALS = {
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "half": "halves",
    "knife": "knives",
    "wife": "wives",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "echo": "echoes",
    "scarf": "scarves",
    "triptych": "triptychs",
    "sister-in-law": "sisters-in-law",
    "mother-in-law": "mothers-in-law",
}
_PLURAL = re.compile(rf"(.*?)({'|'.join(_PLURALS)})")
_PAIRS = frozenset(
    "binoculars gloves shears secateurs tweezers scales calipers callipers dividers bellows gaiters boots "
    "clippers".split()
)
_DOUBLED = set(
    "unpin unplug unwrap rewrap unravel refit transfer format admit label model level signal pedal channel stencil "
    "cancel dial".split()
)
# One syllable that ends in one vowel and one consonant: trim, trimmed.
_DOUBLING = re.compile(r"[^aeiou]*(?:qu)?[aeiou][bdfgklmnprstvz]")
_VOWEL_SOUND = re.compile(r"(?:[aeio]|u(?!ni|se|su|to|ku)|hour|honest|heir|8|11\b|18\b|S-)", re.IGNORECASE)
_CONSONANT_SOUND = re.compile(r"(?:one\b|one-|once|eu)", re.IGNORECASE)


def indefinite(phrase: str) -> str:
    """The phrase with its article: an urn, a one-handed clock."""
    if phrase.rpartition(" ")[2] in _PAIRS:
        return f"a pair of {phrase}"
    bare = phrase.lstrip("“")
    vowel = _VOWEL_SOUND.match(bare) and not _CONSONANT_SOUND.match(bare)
    return f"{'an' if vowel else 'a'} {phrase}"


def plural(noun: str) -> str:
    """Of the last word, or of what stands before "of": trains of kites."""
    head, of, rest = noun.partition(" of ")
    if of:
        return f"{plural(head)} of {rest}"
    start, space, last = noun.rpartition(" ")
    if last in _PAIRS:
        return noun
    return f"{start}{space}{_plural_word(last)}"


def _plural_word(word: str) -> str:
    if irregular := _PLURAL.fullmatch(word):
        return f"{irregular[1]}{_PLURALS[irregular[2]]}"
    if word.endswith("man") and not word.endswith("human"):
        return f"{word[:-3]}men"
    if word.endswith("woman"):
        return f"{word[:-5]}women"
    if re.search(r"(?:s|x|z|ch|sh)$", word):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}s"


def _each(change: Callable[[str], str]) -> Callable[[str], str]:
    """The change made to the verb of a phrase: rough out, roughed out."""

    def changed(phrase: str) -> str:
        verb, space, rest = phrase.partition(" ")
        return f"{change(verb)}{space}{rest}"

    return changed


def _past(verb: str) -> str:
    return _IRREGULAR[verb][0] if verb in _IRREGULAR else _regular(verb)


def _participle(verb: str) -> str:
    return _IRREGULAR[verb][1] if verb in _IRREGULAR else _regular(verb)


def _regular(verb: str) -> str:
    if verb.endswith("e"):
        return f"{verb}d"
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ied"
    return f"{_doubled(verb)}ed"


def _gerund(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "ye", "oe")):
        return f"{verb[:-1]}ing"
    return f"{_doubled(verb)}ing"


def _doubled(verb: str) -> str:
    return f"{verb}{verb[-1]}" if verb in _DOUBLED or _DOUBLING.fullmatch(verb) else verb


_VERB = {"v": _each(str), "vd": _each(_past), "vn": _each(_participle), "vg": _each(_gerund), "vz": _each(_plural_word)}
_NOUNS = {"thing": "n", "part": "p", "tool": "t", "who": "w", "fault": "f", "event": "e"}
_PLAIN = {"stuff": "m", "place": "l", "quality": "a", "concern": "c", "circle": "g"}


def topic_banks(words: Words) -> dict[str, tuple[str, ...]]:
    """The words of a subject by the names that clauses use."""
    banks = {short: words[name] for name, short in _PLAIN.items()}
    for name, short in _NOUNS.items():
        banks[short] = words[name]
        banks[f"{short}s"] = tuple(plural(noun) for noun in words[name])
    for short, change in _VERB.items():
        banks[short] = tuple(change(verb) for verb in words["do"])
    return banks


def phrase_banks(phrases: Words) -> dict[str, tuple[str, ...]]:
    """The forms of the verbs that fit any subject."""
    return {f"g{short}": tuple(change(verb) for verb in phrases["gv"]) for short, change in _VERB.items()}


def derived(kind: str, phrase: str) -> str:
    """The phrase with its article (kind `a`) or in the plural (`s`)."""
    return indefinite(phrase) if kind == "a" else plural(phrase)


DATE = "{day} {month}"
THOUSANDS = ","
SAID = ("{verb} <P>", "{verb} <Ql>", "<Pl> {verb}", "<Q> {verb}", "{verb} <R>", "<Rl> {verb}")

MARKS: Mapping[str, Mark] = {
    "the": Mark(63, -0.5, ("the",)),
    "a": Mark(22, -0.6, ("a", "an", "{an}", "{aa}", "{aw}", "{at}", "{ap}")),
    "of": Mark(29, -0.5, ("of",)),
    "and": Mark(23, -0.4, ("and",)),
    "in": Mark(21, -0.5, ("in",)),
    "to": Mark(22, 0.0, ("to",)),
    "comma": Mark(46, 0.2, (",",)),
    "stop": Mark(41, 0.3, (". ", "; ")),
    "speech": Mark(6, 0.8, ("\u201c",)),
    "brackets": Mark(5, 0.6, ("(<", "({year", "({min", "(about", "(usually", "(sometimes", "(or", "(up")),
    "he": Mark(10, 1.5, ("he", "his", "him", "she", "her", "<he>", "<his>", "<him>", "<He>", "<His>")),
    "it": Mark(8, -0.8, ("it", "its", "it\u2019s")),
    "they": Mark(6, 0.0, ("they", "their", "them")),
    "i": Mark(5, -0.5, ("i", "my", "we", "our", "us", "I", "\u201cI", "\u201cwe", "\u201cWe")),
    "you": Mark(2, -1.0, ("you", "your")),
    "is": Mark(16, -0.3, ("is", "are", "be")),
    "was": Mark(10, -0.6, ("was", "were", "had")),
    "has": Mark(11, 0.0, ("has", "have", "been")),
    "said": Mark(6, 0.0, ("said", "says", "said.", "{saidp}")),
}
"""What the register of a site leans to or away from."""
