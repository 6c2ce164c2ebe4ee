"""What docs/deploy.md shows is what stands in deploy/, and what stands there fits together."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scrapeguard.cli import COMMANDS, _parser

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
UNIT = (DEPLOY / "systemd" / "scrapeguard-forward-auth.service").read_text(encoding="utf-8")
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "block"), SHOWN)
def test_what_is_shown_is_what_is_there(file, block):
    assert block in (ROOT / file).read_text(encoding="utf-8")


def test_every_server_is_shown():
    servers = {path.name for path in DEPLOY.iterdir()} - {"docker", "systemd"}
    assert {Path(file).parts[1] for file, _ in SHOWN} == servers == {"nginx", "caddy", "traefik", "envoy", "haproxy"}


def test_every_file_is_linked_and_every_link_leads_somewhere():
    links = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", GUIDE)}
    assert [str(link) for link in links if not link.exists()] == []
    assert [str(path) for path in DEPLOY.rglob("*") if path.is_file() and path not in links] == []


def commands():
    guide = re.findall(r"^scrapeguard forward-auth .*$", GUIDE, re.MULTILINE)
    unit = [re.search(r"^ExecStart=\S+/(scrapeguard .*)$", UNIT, re.MULTILINE)[1]]
    compose = ["scrapeguard " + shlex.join(COMPOSE["services"]["scrapeguard"]["command"])]
    image = ["scrapeguard " + shlex.join(yaml.safe_load(re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1]))]
    return [*guide, *unit, *compose, *image]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one(line):
    arguments = _parser().parse_args(shlex.split(line)[1:])
    assert arguments.command == "forward-auth"
    assert arguments.listen == "127.0.0.1:9180"
    assert "forward-auth" in COMMANDS


def test_the_unit_is_one(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine (Debian: apt install systemd)")
    # It looks whether the program is there.
    (tmp_path / "scrapeguard-forward-auth.service").write_text(
        UNIT.replace("/opt/scrapeguard/bin/scrapeguard", sys.executable)
    )
    command = [analyze, "verify", "--man=no", str(tmp_path / "scrapeguard-forward-auth.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_containers_share_one_network_and_mount_what_is_there():
    services = COMPOSE["services"]
    assert {services[name]["network_mode"] for name in ("scrapeguard", "app")} == {"service:nginx"}
    folder = DEPLOY / "docker"
    mounts = [mount.split(":")[0] for mount in services["nginx"]["volumes"]]
    assert [mount for mount in mounts if not (folder / mount).is_file()] == []
    build = services["scrapeguard"]["build"]
    assert (folder / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    assert "listen 8080;" in (folder / mounts[0]).read_text(encoding="utf-8")


def test_the_image_builds():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker that runs on this machine")
    command = [docker, "build", "--quiet", "-f", "deploy/docker/Dockerfile", "."]
    image = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run([docker, "run", "--rm", image, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("scrapeguard ")
