"""Finding and loading rule files."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from scrapeguard.core.catalogue import Catalogue
from scrapeguard.core.policy import Policy
from scrapeguard.errors import PolicyError, Problem
from scrapeguard.rulefile.build import build_policy
from scrapeguard.rulefile.catalogue import load_catalogue
from scrapeguard.rulefile.kinds import nearest
from scrapeguard.rulefile.tree import Mapping, Node, Scalar, merge, parse, without

WELL_KNOWN_PATHS = (Path("config/rules.yaml"), Path("scrapeguard.yaml"))
"""Where a rule file is looked for, in the working directory."""

_MAX_EXTENDS = 8


def load_policy(path: str | Path | None = None, *, catalogue: Catalogue | None = None) -> Policy:
    """The policy of a rule file, by default the packaged one.

    Raises:
        PolicyError: with every problem, each with file, line and column.
    """
    rules = packaged_rules() if path is None else Path(path)
    problems: list[Problem] = []
    return build_policy(_read_tree(rules, problems, ()), catalogue or load_catalogue(), problems)


def packaged_rules() -> Path:
    """The rule file that is the default: inside the package, or in the checkout of an editable install."""
    packaged = Path(str(files("scrapeguard"))) / "data" / "rules.yaml"
    return packaged if packaged.is_file() else Path(str(files("scrapeguard"))).parent / "config" / "rules.yaml"


def find_rules(directory: Path) -> Path:
    """The rule file of a directory, else the packaged one."""
    found = (directory / path for path in WELL_KNOWN_PATHS if (directory / path).is_file())
    return next(found, packaged_rules())


def _read_tree(path: Path, problems: list[Problem], above: tuple[Path, ...]) -> Node:
    """The tree of a rule file, laid over those that it extends.

    Raises:
        PolicyError: a file that cannot be read or is not YAML, or files that extend each other.
    """
    tree = parse(_read(path), str(path), problems)
    if not isinstance(tree, Mapping) or "extends" not in tree.entries:
        return tree
    entry = tree.entries["extends"]
    own = without(tree, "extends")
    if not isinstance(entry.node, Scalar) or not entry.node.written:
        return tree
    base = packaged_rules() if entry.node.written == "default" else path.parent / entry.node.written
    chain = (*above, path.resolve())
    if base.resolve() in chain or len(chain) > _MAX_EXTENDS:
        raise PolicyError([entry.place.problem(f"`extends` leads back to {base}; one of the files must not extend")])
    if not base.is_file():
        hint = nearest(entry.node.written, ["default"]) or "; `default` is the packaged one"
        problems.append(entry.node.place.problem(f"no such rule file: {base}{hint}"))
        # The rest is read on top of the default, so that the other mistakes are found in the same go.
        base = packaged_rules()
    under = _read_tree(base, problems, chain)
    return merge(without(under, "tests") if isinstance(under, Mapping) else under, own)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyError([Problem(str(path), 1, 1, f"cannot read the rule file: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        message = f"not UTF-8: octet {error.start} is {error.object[error.start]:#04x}; save the file as UTF-8"
        raise PolicyError([Problem(str(path), 1, 1, message)]) from None
