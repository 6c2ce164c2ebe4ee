"""From what a rule file says to the policy it means."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from scrapeguard.core.catalogue import Catalogue, Purpose
from scrapeguard.core.decision import Action, Mode
from scrapeguard.core.forwarded import ForwardedField, Proxies
from scrapeguard.core.glob import PathPattern
from scrapeguard.core.policy import (
    Addresses,
    DecoyLook,
    DecoyPolicy,
    EventPolicy,
    OptOut,
    Policy,
    Refusal,
    RuleTest,
    SitePolicy,
    Threshold,
    TrapPolicy,
    VerificationPolicy,
    template_fault,
)
from scrapeguard.core.request import Request, canonical_host
from scrapeguard.core.sharing import AI_USES, PathSharing, Use
from scrapeguard.core.signals import SIGNALS
from scrapeguard.core.trust import Trust
from scrapeguard.core.upstream import Upstream
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.rulefile.kinds import Problems
from scrapeguard.rulefile.model import RuleFile
from scrapeguard.rulefile.tree import Mapping, Node, Place, merge


def build_policy(tree: Node, catalogue: Catalogue, found: list[Problem]) -> Policy:
    """The policy of a tree whose `extends` is resolved.

    Args:
        tree: the file as it was read.
        catalogue: who the agents are.
        found: the problems that were found already.

    Raises:
        PolicyError: with every problem of the tree.
    """
    model = RuleFile(catalogue)
    problems = Problems(found)
    document = model.document.read(tree, problems) or {}
    builder = _SiteBuilder(problems)
    common = builder.build(document, tree)
    sites = {}
    if isinstance(tree, Mapping):
        for host, node in _site_trees(tree, model.inherited, problems):
            sites[host] = builder.build_site(host, model.site.read(node, problems) or {}, node)
    tests = [_rule_test(place, values) for place, values in document.get("tests", ()) if len(values) == 2]
    events = EventPolicy(_event_log(document, problems), document.get("events", {}).get("addresses", Addresses.FULL))
    store = _store(document.get("store", (None, "memory")), problems)
    secret = _in_folder(document.get("secret", (None, None)), problems)
    _check_decoys(document, [common, *sites.values()], tree, problems)
    decoys = _decoys(document.get("decoys", {}), problems)
    traps = _traps(document.get("traps", {}), tree, problems)
    if problems.found:
        raise PolicyError(problems.found)
    return Policy(
        common,
        catalogue,
        sites=sites,
        on_error=document.get("on_error", Action.ALLOW),
        proxies=_proxies(document.get("proxies", {})),
        verification=_verification(document.get("verification", {})),
        events=events,
        traps=traps,
        decoys=decoys,
        store=store,
        secret=secret,
        tests=tests,
    )


def _proxies(values: dict[str, Any]) -> Proxies:
    networks = (network for group in values.get("trusted", ()) for network in group)
    return Proxies(networks, values.get("header", ForwardedField.X_FORWARDED_FOR))


def _verification(values: dict[str, Any]) -> VerificationPolicy:
    folder = _beside(*values.get("folder", (None, None)))
    return VerificationPolicy(values.get("dns", True), values.get("refresh", True), folder)


def _beside(place: Place | None, path: str | None) -> str | None:
    """A path as it is meant: from the folder of the file that it stands in."""
    return path if place is None or path is None else str(Path(place.file).parent / path)


_Placed = tuple[Place | None, Any]


def _in_folder(placed: _Placed, problems: Problems) -> str | None:
    """A path in a folder that is there."""
    place, path = placed
    meant = _beside(place, path)
    if place is not None and meant is not None and not Path(meant).parent.is_dir():
        problems.add(place, f"there is no folder {Path(meant).parent}; make it, or name another")
    return meant


def _store(placed: _Placed, problems: Problems) -> str:
    place, text = placed
    kind, _, path = str(text).partition(":")
    return f"sqlite:{_in_folder((place, path), problems)}" if kind == "sqlite" else str(text)


def _traps(values: dict[str, Any], tree: Node, problems: Problems) -> TrapPolicy:
    live, inject = values.get("live", False), values.get("inject", False)
    if inject and not live and isinstance(tree, Mapping):
        problems.add(tree.entries["traps"].place, "`traps.inject` needs `traps.live: on`")
    return TrapPolicy(live, inject)


def _event_log(document: dict[str, Any], problems: Problems) -> str:
    """Where events go; a file must be one that can be written."""
    place, target = document.get("events", {}).get("log", (None, "stderr"))
    if place is None or target in ("stderr", "logging", "off"):
        return str(target)
    path = Path(place.file).parent / target
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        problems.add(place, f"cannot write events to {path}: it is no file, or its folder does not allow it")
    return str(path)


def _site_trees(tree: Mapping, inherited: Container[str], problems: Problems) -> Iterable[tuple[str, Node]]:
    """Each site with the common part of the file laid under its own."""
    sites = tree.entries.get("sites")
    if sites is None or not isinstance(sites.node, Mapping):
        return
    common = Mapping({key: entry for key, entry in tree.entries.items() if key in inherited}, tree.place)
    seen: dict[str, str] = {}
    for host, entry in sites.node.entries.items():
        if (other := seen.setdefault(canonical_host(host), host)) != host:
            problems.add(entry.place, f"`{host}` is the same host as `{other}`; keep one of them")
        yield host, merge(common, entry.node)


class _SiteBuilder:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def build_site(self, host: str, values: dict[str, Any], node: Node) -> SitePolicy:
        """The policy of the hosts of a pattern, with what only a site may say."""
        upstream = values.get("upstream")
        look = _decoy_look(values.get("decoys", {}), self._problems)
        if look.template == "learn" and "*" in host:
            place, _ = values["decoys"]["template"]
            self._problems.add(
                place, f"`learn` takes a page of one host; write out the hosts of `{host}`, or name a file"
            )
        own = {"upstream": None if upstream is None else Upstream.of(upstream), "decoys": look}
        return self.build(values, node, **own)

    def build(self, values: dict[str, Any], node: Node, **own: Any) -> SitePolicy:
        """The policy that some values mean; `own` is what only a site may say."""
        agents = values.get("agents", {}).items()
        sharing = self._sharing(values, node)
        said = values.get("sharing", {}).get("paths", {}).items()
        return SitePolicy(
            sharing=sharing,
            paths=tuple(_path_sharing(sharing, pattern, words) for pattern, words in said),
            mode=values.get("mode", Mode.ENFORCE),
            by_name={word: action for (kind, word), action in agents if kind == "name"},
            by_operator={word: action for (kind, word), action in agents if kind == "operator"},
            by_purpose={Purpose(word): action for (kind, word), action in agents if kind == "purpose"},
            rules=values.get("rules", ()),
            weights={name: signal.weight for name, signal in SIGNALS.items()} | values.get("signals", {}),
            thresholds=tuple(Threshold(*pair) for pair in sorted(values.get("thresholds", {}).items())),
            refusal=self._refusal(values.get("refusal", {})),
            trust=_trust(values.get("trust", {})),
            opt_out=OptOut(**{key.replace("-", "_"): value for key, value in values.get("opt-out", {}).items()}),
            **own,
        )

    def _sharing(self, values: dict[str, Any], node: Node) -> dict[Use, bool]:
        """What is shared; silence about a use is an error, since it must not be taken for permission."""
        said = {Use(use): allowed for use, allowed in values.get("sharing", {}).items() if use != "paths"}
        entry = node.entries.get("sharing") if isinstance(node, Mapping) else None
        mentioned = entry.node.entries if entry is not None and isinstance(entry.node, Mapping) else {}
        silent = [use for use in Use if use not in mentioned]
        if entry is None:
            self._problems.add(node.place, "`sharing` is missing; say it, or begin the file with `extends: default`")
        elif silent and isinstance(entry.node, Mapping):
            what = f"`sharing` says nothing of {', '.join(silent)}"
            self._problems.add(entry.place, f"{what}; say it, or begin the file with `extends: default`")
        return dict.fromkeys(Use, False) | said

    def _refusal(self, values: dict[str, Any]) -> Refusal:
        words = {key: value for key, value in values.items() if key != "template"}
        if "template" not in values:
            return Refusal(**words)
        place, name = values["template"]
        path = Path(place.file).parent / name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._problems.add(place, f"cannot read the template {path}: {_reason(error)}")
            return Refusal(**words)
        if fault := template_fault(text):
            self._problems.add(place, f"the template {path}: {fault}")
            return Refusal(**words)
        return Refusal(**words, template=text)


def _check_decoys(document: dict[str, Any], sites: Iterable[SitePolicy], tree: Node, problems: Problems) -> None:
    """Note decoys that a site asks for where they are switched off."""
    if document.get("decoys", {}).get("serve", False):
        return
    for site in sites:
        words = (site.by_name, site.by_operator, site.by_purpose)
        actions = {action for said in words for action in said.values()}
        actions |= {rule.action for rule in site.rules} | {threshold.action for threshold in site.thresholds}
        if asked := sorted(actions & {Action.DECOY, Action.TARPIT}):
            problems.add(
                tree.place, f"the action `{asked[0]}` is asked for, but there are none: say `decoys: {{serve: on}}`"
            )
            return


def _decoys(values: dict[str, Any], problems: Problems) -> DecoyPolicy:
    look = _decoy_look(values, problems)
    said = {
        key.replace("-", "_"): value for key, value in values.items() if key not in ("locale", "corpus", "template")
    }
    if "log" in said:
        said["log"] = _in_folder(said["log"], problems)
    for key in ("log-age", "log-size"):
        if key in values:
            place, said[key.replace("-", "_")] = values[key]
            if "log" not in values:
                problems.add(place, f"`decoys.{key}` needs `decoys.log`, the file that it is about")
    said["never"] = tuple(map(PathPattern, said.get("never", ())))
    return look.over(DecoyPolicy(**said))


def _decoy_look(values: dict[str, Any], problems: Problems) -> DecoyLook:
    """How decoys look; what is named must be there."""
    place, name = values.get("corpus", (None, None))
    corpus = _beside(place, name)
    if place is not None and corpus is not None and not Path(corpus).is_dir():
        problems.add(place, f"{corpus} is no folder")
    place, name = values.get("template", (None, None))
    template = name if name == "learn" else _beside(place, name)
    if place is not None and template not in (None, "learn") and not Path(template).is_file():
        problems.add(place, f"{template} is no file")
    return DecoyLook(values.get("locale"), corpus, template)


def _trust(values: dict[str, Any]) -> Trust | None:
    if not values:
        return None
    headers = ((name.lower(), value) for name, some in values.get("header", {}).items() for value in some)
    networks = (network for group in values.get("network", ()) for network in group)
    return Trust(tuple(values.get("cookie", ())), tuple(headers), tuple(networks))


def _path_sharing(sharing: dict[Use, bool], pattern: str, words: dict[str, bool]) -> PathSharing:
    """What is said of a path; what it leaves open is as for the site."""
    private = words.get("private", False)
    said = sharing | {use: words[use] for use in Use if use in words}
    if private:
        said |= dict.fromkeys(AI_USES, False)
    return PathSharing(PathPattern(pattern), said, private, words.get("noindex", False))


def _rule_test(place: Place, values: dict[str, Any]) -> RuleTest:
    said = values["request"]
    request = Request.of(
        said.get("path", "/"),
        method=said.get("method", "GET"),
        headers=said.get("headers", {}),
        user_agent=said.get("user-agent"),
        host=said.get("host", ""),
        peer=said.get("ip"),
    )
    return RuleTest(request, values["expect"], f"{place.file}:{place.line}")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
