"""The secret of a site, which traps, passes and hashed addresses are made with."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from scrapeguard.errors import ScrapeGuardError

logger = logging.getLogger("scrapeguard")

VARIABLE = "SCRAPEGUARD_SECRET"
"""The environment variable that holds a secret, as text of 16 characters or more."""
_SIZE = 32
_LEAST = 16


class SecretError(ScrapeGuardError):
    """A secret that cannot be read, or is too short to be one."""


class SiteSecret(NamedTuple):
    """A secret: 32 octets made of it, and the text as people keep it, whose first line is the present one."""

    octets: bytes
    text: str
    is_kept: bool = True
    """Whether another process, or this one another time, finds the same."""


def site_secret(file: str | None, environment: Mapping[str, str]) -> SiteSecret:
    """The secret: that of the environment, else of the file, which is made where there is none.

    Args:
        file: its path; None for one in the user's own folder (XDG Base Directory Specification). Where that cannot be
            written a secret is made for this process alone, which a line in the log says.
        environment: of the process.

    Raises:
        SecretError: the file named cannot be read or made, or a secret is shorter than 16 octets.
    """
    if (said := environment.get(VARIABLE)) is not None:
        return _stretched(said, f"the environment variable {VARIABLE}")
    if file is not None:
        try:
            return _read_or_made(Path(file))
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"cannot use the secret in {file}: {_reason(error)}") from error
    own = _own_folder(environment) / "secret"
    try:
        return _read_or_made(own)
    except OSError as error:
        why = f"cannot keep a secret in {own} ({error.strerror})"
        logger.warning("%s: traps and passes count for one process only; set %s or `secret`", why, VARIABLE)
        return _stretched(secrets.token_hex(_SIZE), "memory")._replace(is_kept=False)


def _own_folder(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or "/var/lib") / ".local" / "state"
    return Path(base) / "scrapeguard"


def _read_or_made(path: Path) -> SiteSecret:
    """What the file holds; of several workers that begin at once, one makes it and all read that."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(_SIZE).encode())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return _stretched(path.read_text(encoding="utf-8"), str(path))


def _stretched(said: str, where: str) -> SiteSecret:
    present = next((line.strip() for line in said.splitlines() if line.strip() and not line.startswith("#")), "")
    if len(present) < _LEAST:
        problem = f"the secret in {where} is shorter than {_LEAST} characters"
        raise SecretError(f"{problem}; make one with `openssl rand -hex 32`")
    return SiteSecret(sha256(present.encode()).digest(), said)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is not UTF-8"
