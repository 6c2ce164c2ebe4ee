"""What the README says is run: its commands, its rule file, its Python, its tables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from scrapeguard.cli import COMMANDS, main
from scrapeguard.core.decision import Action
from scrapeguard.core.signals import SIGNALS
from scrapeguard.rulefile.load import load_policy
from scrapeguard.rulefile.model import RuleFile
from scrapeguard.rulefile.when import CONDITIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [line.partition("  #")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
SERVERS = {"demo", "forward-auth", "proxy"}
"""What runs until it is stopped, or shows itself: tried elsewhere."""
COMMAND_LINES = [line for line in SHELL if line.startswith("scrapeguard ") and line.split()[1] not in SERVERS]


def blocks(kind):
    return [block for found, block in BLOCKS if found == kind]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_each_command_runs(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "access.log").write_bytes((ROOT / "tests" / "corpora" / "logs" / "scraper.log").read_bytes())
    (tmp_path / "user-agents.txt").write_text("GPTBot/1.3\n")
    (tmp_path / "secret.txt").write_text("a secret of many letters that nobody guesses\n")
    (tmp_path / "robots.txt").write_text("User-agent: *\nDisallow: /admin/\n")
    assert main(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out


def test_every_command_is_shown():
    shown = {line.split()[1] for line in COMMAND_LINES} | SERVERS
    assert shown == set(COMMANDS)
    assert all(f"scrapeguard {server}" in README or f"./{server}" in SHELL for server in SERVERS)


def test_the_rule_file_loads_and_means_what_it_says(tmp_path, catalogue):
    (block,) = blocks("yaml")
    (tmp_path / "scrapeguard.yaml").write_text(block, encoding="utf-8")
    site = load_policy(tmp_path / "scrapeguard.yaml", catalogue=catalogue).common
    assert [rule.name for rule in site.rules][:2] == ["partner", "members only"]
    assert (site.by_operator, site.by_name) == ({"Common Crawl": Action.ALLOW}, {"PetalBot": Action.BLOCK})


def test_the_python_runs(capsys):
    for block in blocks("python"):
        if "app." not in block:
            exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out == "block agents.training\n"


def test_every_key_condition_action_and_signal_is_in_it(catalogue):
    table = README[README.index("| key |") : README.index("Paths read as")]
    words = [*RuleFile(catalogue).document.fields, *CONDITIONS, *map(str, Action), *SIGNALS]
    assert [word for word in words if f"`{word}`" not in table] == []


def test_every_signal_is_explained_with_its_weight():
    text = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", text, re.MULTILINE))
    assert said == {name: str(signal.weight) for name, signal in SIGNALS.items()}


def test_what_it_links_to_is_there():
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_two_commands_are_there():
    assert {"./demo", "./test"} <= set(SHELL)
    assert all((ROOT / name).stat().st_mode & 0o111 for name in ("demo", "test", ".ci/run"))


def test_the_figures_are_those_of_the_last_benchmark():
    quoted = README.partition("<!-- bench -->\n")[2].partition("<!-- /bench -->")[0].strip()
    assert quoted
    assert quoted in (ROOT / "bench" / "results.md").read_text(encoding="utf-8")
