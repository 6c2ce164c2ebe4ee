"""What checks identities under a policy: the published lists, reverse DNS, and what keeps both fresh."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from scrapeguard.asgi.background import Job
from scrapeguard.core.catalogue import Catalogue
from scrapeguard.core.policy import Policy
from scrapeguard.verification.lists import ListFolder, PublishedLists, default_folder, newest, packaged_lists
from scrapeguard.verification.refresh import Fetch, RefreshJob
from scrapeguard.verification.reversedns import ReverseDns
from scrapeguard.verification.system_dns import SystemDns
from scrapeguard.verification.verifier import AddressVerifier


class Verification:
    """What checks identities under a policy, and what it needs done beside the requests.

    Args:
        policy: says what may be asked.
        environment: where the lists are kept, unless the policy says so.
        ask_dns: whether reverse DNS may be asked, if the policy says so too.
        fetch: how a list is fetched anew; None where that is not to be done, whatever the policy says.
    """

    def __init__(
        self, policy: Policy, environment: Mapping[str, str], *, ask_dns: bool = True, fetch: Fetch | None = None
    ) -> None:
        said = policy.verification
        self.folder = ListFolder(Path(said.folder) if said.folder else default_folder(environment))
        lists = PublishedLists(newest(packaged_lists(), self.folder.read()))
        self.dns = ReverseDns(SystemDns(), monotonic=time.monotonic) if said.dns and ask_dns else None
        self.verifier = AddressVerifier(lists, dns=self.dns, clock=time.time)
        self.refresh = RefreshJob(
            list_urls(policy.catalogue),
            lists,
            partial(setattr, self.verifier, "lists"),
            folder=self.folder,
            clock=time.time,
            fetch=fetch,
        )

    def oldest_list(self) -> float:
        """Seconds since the oldest of the published lists was fetched; 0 where there is none."""
        lists = self.verifier.lists.by_url.values()
        return max((time.time() - one.as_of for one in lists), default=0.0)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What is to be done beside the requests."""
        return (self.refresh,) if self.dns is None else (self.refresh, self.dns)


def list_urls(catalogue: Catalogue) -> list[str]:
    """The addresses of all lists that the catalogue knows."""
    return list(dict.fromkeys(url for agent in catalogue.agents for url in agent.verify.ranges))
