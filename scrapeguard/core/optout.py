"""Saying no beside robots.txt: response headers, statements in its groups, the TDM reservation file and the licence.

All of it follows from what the site shares. The vocabularies differ and are not translated word by word: each use has
its label in each of them, in tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from scrapeguard.core.aipref import LABELS, written
from scrapeguard.core.policy import SitePolicy
from scrapeguard.core.request import Headers
from scrapeguard.core.robots import written as written_pattern
from scrapeguard.core.robotsmerge import Statements
from scrapeguard.core.rsl import LICENSE_PATH, MEDIA_TYPE, license_document
from scrapeguard.core.sharing import AI_USES, PathSharing, Use

# contentsignals.org.
_CONTENT_SIGNAL = {Use.SEARCH: "search", Use.AI_USE: "ai-input", Use.TRAIN: "ai-train"}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]{1,253})(:[0-9]{1,5})?")


class Place(NamedTuple):
    """A page, as far as what is said of it depends on that.

    `origin` is the scheme and host of the site (see `origin_of`), empty where it is not known. `said` is what the
    policy says of the path, None for what it says of the site. `refused` means that the author of the page refuses AI.
    """

    site: SitePolicy
    origin: str = ""
    said: PathSharing | None = None
    refused: bool = False

    @property
    def sharing(self) -> Mapping[Use, bool]:
        """What the page may be used for."""
        sharing = self.site.sharing if self.said is None else self.said.sharing
        return {**sharing, **dict.fromkeys(AI_USES, False)} if self.refused else sharing

    @property
    def denies_all_ai(self) -> bool:
        """Whether all uses by AI are denied."""
        sharing = self.sharing
        return not any(sharing[use] for use in AI_USES)

    @property
    def denies_ai(self) -> bool:
        """Whether a use by AI is denied."""
        sharing = self.sharing
        return not all(sharing[use] for use in AI_USES)


def origin_of(scheme: str, host: str) -> str:
    """`https://example.org` from the scheme and the Host field of a request; empty where that is no host at all."""
    if scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ""
    return f"{scheme}://{host.lower()}"


def response_headers(place: Place) -> Headers:
    """What every response says of the page, less the signals that the owner turned off."""
    return tuple((name, value.encode()) for name, value in _said_in_headers(place))


def _said_in_headers(place: Place) -> Iterator[tuple[bytes, str]]:
    site, signals, sharing = place.site, place.site.opt_out, place.sharing
    if signals.content_usage and (usage := _usage(place)):
        yield b"content-usage", usage
    if signals.tdm and place.denies_ai:
        yield b"tdm-reservation", "1"
        if signals.tdm_policy:
            yield b"tdm-policy", signals.tdm_policy
    elif signals.tdm and place.said is not None and reserves_somewhere(site):
        yield b"tdm-reservation", "0"
    directives = ["noai", "noimageai"] if signals.noai and not sharing[Use.TRAIN] else []
    if place.said is not None and place.said.noindex:
        directives.append("noindex")
    if directives:
        yield b"x-robots-tag", ", ".join(directives)
    if url := license_url(place):
        yield b"link", f'<{url}>; rel="license"; type="{MEDIA_TYPE}"'


def statements(place: Place) -> Statements:
    """What robots.txt says beside its rules: lines for each of its groups, and the licence."""
    return Statements(tuple(_of_all_paths(place)), license_url(place) or None)


def _of_all_paths(place: Place) -> Iterator[tuple[str, str]]:
    pages = [place._replace(said=None), *(place._replace(said=said) for _, said in place.site.by_path.entries)]
    said = [(key, _at(page, value)) for page in pages for key, value in said_in_groups(page)]
    yield from sorted(said, key=lambda line: line[0] != "Content-Usage")


def said_in_groups(page: Place) -> Iterator[tuple[str, str]]:
    """What each group of robots.txt says of a page beside its rules."""
    site = page.site
    if site.opt_out.content_usage and (usage := _usage(page)):
        yield "Content-Usage", usage
    if (
        site.opt_out.content_signal
        and any(map(site.denies, Use))
        and (page.said is not None or not all(site.sharing.values()))
    ):
        signals = (f"{label}={'yes' if page.sharing[use] else 'no'}" for use, label in _CONTENT_SIGNAL.items())
        yield "Content-Signal", ", ".join(signals)


def _at(page: Place, value: str) -> str:
    return value if page.said is None else f"{written_pattern(page.said.pattern.text)} {value}"


def _usage(place: Place) -> str:
    """Preferences on a page: every `n`; and a `y` where the statement on the site would else be taken for this path."""
    sharing, explicit = place.sharing, place.said is not None
    return written(
        {
            label: sharing[use]
            for use, label in LABELS.items()
            if not sharing[use] or (explicit and place.site.denies(use))
        }
    )


def reserves_somewhere(site: SitePolicy) -> bool:
    """Whether text and data mining is reserved on the site, or on some path."""
    return any(map(site.denies, AI_USES))


def tdm_reservation(site: SitePolicy) -> bytes | None:
    """/.well-known/tdmrep.json (W3C TDM Reservation Protocol, 2024-05 §6); None where nothing is reserved.

    Of several entries that match a path the first counts there, so the longer patterns come first.
    """
    if not site.opt_out.tdm or not reserves_somewhere(site):
        return None
    pages = [*(Place(site, said=said) for _, said in site.by_path.entries), Place(site)]
    entries = list(map(_tdm_entry, pages))
    return (json.dumps(entries, indent=1) + "\n").encode()


def _tdm_entry(page: Place) -> dict[str, object]:
    location = "/" if page.said is None else written_pattern(page.said.pattern.text)
    entry: dict[str, object] = {"location": location, "tdm-reservation": int(page.denies_ai)}
    if page.denies_ai and page.site.opt_out.tdm_policy:
        entry["tdm-policy"] = page.site.opt_out.tdm_policy
    return entry


def license_url(place: Place) -> str:
    """Where the RSL licence of the site stands; empty where there is none, or nobody knows the site's address."""
    site = place.site
    if not site.opt_out.rsl or not any(map(site.denies, Use)):
        return ""
    if place.refused and not place._replace(refused=False).denies_all_ai:
        # What the licence permits there is not what the author says.
        return ""
    return site.opt_out.rsl_license or (place.origin and place.origin + LICENSE_PATH)


def rsl_license(site: SitePolicy) -> bytes | None:
    """/license.xml; None where nothing is denied, RSL is off, or the owner has a licence elsewhere."""
    elsewhere = site.opt_out.rsl_license
    if not site.opt_out.rsl or not any(map(site.denies, Use)):
        return None
    if elsewhere and urlsplit(elsewhere).path != LICENSE_PATH:
        return None
    paths = [(written_pattern(pattern.text), said.sharing) for pattern, said in site.by_path.entries]
    return license_document([*paths, ("/", site.sharing)])
