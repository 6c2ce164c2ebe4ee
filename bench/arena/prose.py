"""Prose that no other page has: sentences from a small grammar, by a seeded generator."""

from __future__ import annotations

import random

_NOUNS = (
    "harbour lantern orchard miller ferry quarry meadow chapel weaver lighthouse tide causeway granary baker bridge "
    "canal clockmaker cooper dovecote fishery gardener hedge inn joiner kiln ledger market mason nursery organ pier "
    "potter reservoir saddler shepherd sluice smithy stable tannery terrace thatcher tower vineyard wharf windmill"
).split()
_ADJECTIVES = (
    "old narrow quiet wooden disputed western early forgotten shallow generous stubborn pale restored modest distant "
    "crooked patient northern heavy careful bright damp rented municipal seasonal painted spare wide"
).split()
_VERBS = (
    "repaired measured sold flooded described rented moved painted guarded inherited surveyed emptied opened crossed "
    "rebuilt counted borrowed named kept examined neglected photographed followed defended shared"
).split()
_PLACES = (
    "by the estuary,behind the station,near the town hall,along the river,under the hill,at the parish border,"
    "beside the railway,in the lower village,across the marsh,above the ford,outside the walls,at the crossroads"
).split(",")
_TIMES = (
    "in the spring,after the long winter,before the war,last Tuesday,during the harvest,for eleven years,at dawn,"
    "in the second week of May,when the bridge was closed,on market days,until the roof gave way,that same evening"
).split(",")
_SHAPES = (
    "The {a} {n} {v} the {n2} {p} {t}.",
    "{T}, nobody {v} the {a} {n} {p}, though the {n2} had asked for it twice.",
    "It was the {n} who {v} a {a} {n2} {p}, and the {n3} who paid {k} shillings for it.",
    "Of the {k} accounts of the {n}, {k2} mention a {a} {n2} {p}.",
    "Whoever {v} the {n} {t} must have known the {a} {n2}.",
    "A {a} {n} stood {p}; the {n2} {v} it {t}.",
)


def title(dice: random.Random) -> str:
    """A heading of a few words."""
    return f"The {dice.choice(_ADJECTIVES)} {dice.choice(_NOUNS)} and the {dice.choice(_NOUNS)}"


def paragraph(dice: random.Random, sentences: int = 5) -> str:
    """A few sentences."""
    return " ".join(_sentence(dice) for _ in range(sentences))


def _sentence(dice: random.Random) -> str:
    time = dice.choice(_TIMES)
    first, second, third = dice.sample(_NOUNS, k=3)
    return dice.choice(_SHAPES).format(
        a=dice.choice(_ADJECTIVES),
        n=first,
        n2=second,
        n3=third,
        v=dice.choice(_VERBS),
        p=dice.choice(_PLACES),
        t=time,
        T=time[0].upper() + time[1:],
        k=dice.randint(12, 90),
        k2=dice.randint(2, 11),
    )
