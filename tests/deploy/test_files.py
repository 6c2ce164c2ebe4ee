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
from scrapeguard.proxy.front import HEALTH
from scrapeguard.rulefile.load import load_policy
from scrapeguard.secret import VARIABLE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SCALING = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = _BLOCK.findall(GUIDE)
UNITS = {path.name: path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "systemd").iterdir())}
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
KUBERNETES = (DEPLOY / "kubernetes" / "scrapeguard.yaml").read_text(encoding="utf-8")
OBJECTS = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(KUBERNETES)}
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "block"), [*SHOWN, *_BLOCK.findall(SCALING)])
def test_what_is_shown_is_what_is_there(file, block):
    assert block in (ROOT / file).read_text(encoding="utf-8")


def test_every_server_is_shown():
    servers = {path.name for path in DEPLOY.iterdir()} - {"docker", "kubernetes", "systemd"}
    assert {Path(file).parts[1] for file, _ in SHOWN} == servers == {"nginx", "caddy", "traefik", "envoy", "haproxy"}


def test_every_file_is_linked_and_every_link_leads_somewhere():
    links = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", GUIDE + SCALING)}
    assert [str(link) for link in links if not link.exists()] == []
    assert [str(path) for path in DEPLOY.rglob("*") if path.is_file() and path not in links] == []


def command_of(command):
    """What the unit of a command starts."""
    return re.search(r"^ExecStart=\S+/(scrapeguard .*)$", UNITS[f"scrapeguard-{command}.service"], re.MULTILINE)[1]


def commands():
    guide = re.findall(r"^scrapeguard forward-auth .*$", GUIDE, re.MULTILINE)
    unit = [command_of("forward-auth")]
    compose = ["scrapeguard " + shlex.join(COMPOSE["services"]["scrapeguard"]["command"])]
    image = ["scrapeguard " + shlex.join(yaml.safe_load(re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1]))]
    return [*guide, *unit, *compose, *image]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one(line):
    arguments = _parser().parse_args(shlex.split(line)[1:])
    assert arguments.command == "forward-auth"
    assert arguments.listen == "127.0.0.1:9180"
    assert "forward-auth" in COMMANDS


def test_the_unit_of_the_proxy_waits_until_it_has_ended():
    arguments = _parser().parse_args(shlex.split(command_of("proxy"))[1:])
    assert (arguments.command, arguments.upstream) == ("proxy", ["http://127.0.0.1:3000"])
    patience = int(re.search(r"^TimeoutStopSec=(\d+)$", UNITS["scrapeguard-proxy.service"], re.MULTILINE)[1])
    assert patience > arguments.drain + arguments.grace


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_is_one(tmp_path, name):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine (Debian: apt install systemd)")
    # It looks whether the program is there.
    (tmp_path / name).write_text(UNITS[name].replace("/opt/scrapeguard/bin/scrapeguard", sys.executable))
    command = [analyze, "verify", "--man=no", str(tmp_path / name)]
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


def test_what_the_containers_keep_outlives_them():
    said = COMPOSE["services"]["scrapeguard"]
    assert [volume.split(":")[0] for volume in said["volumes"]] == list(COMPOSE["volumes"])
    kept = said["volumes"][0].split(":")[1]
    assert kept == "/home/scrapeguard/.local/state/scrapeguard"
    assert f"-o scrapeguard /home/scrapeguard/.cache {kept}" in DOCKERFILE


def test_the_image_is_made_of_what_the_build_needs():
    sent = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in sent
    needed = [line.removeprefix("!") for line in sent if line.startswith("!")]
    assert [name for name in needed if not (ROOT / name).exists()] == []
    assert {"scrapeguard", "config", "pyproject.toml"} <= set(needed)


def test_kubernetes_runs_commands_and_rules_that_there_are(tmp_path):
    (tmp_path / "rules.yaml").write_text(OBJECTS["ConfigMap", "scrapeguard"]["data"]["rules.yaml"], encoding="utf-8")
    policy = load_policy(tmp_path / "rules.yaml")
    valkey = OBJECTS["Service", "scrapeguard-valkey"]
    assert policy.store == f"valkey://{valkey['metadata']['name']}:{valkey['spec']['ports'][0]['port']}/0"
    pod = OBJECTS["Deployment", "scrapeguard"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    arguments = _parser().parse_args(container["args"])
    assert arguments.listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert pod["terminationGracePeriodSeconds"] > arguments.drain + arguments.grace
    assert arguments.rules == f"{container['volumeMounts'][0]['mountPath']}/rules.yaml"
    probes = [container[f"{name}Probe"] for name in ("startup", "readiness")]
    assert {probe["httpGet"]["path"] for probe in probes} == {HEALTH}
    # The drain is seen before it ends.
    assert probes[1]["periodSeconds"] * probes[1]["failureThreshold"] < arguments.drain
    assert container["env"][0]["name"] == VARIABLE


def test_kubernetes_selects_what_there_is():
    for (kind, name), one in OBJECTS.items():
        spec = one.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector:
            labels = selector.get("matchLabels", selector)
            pods = [other for (sort, _), other in OBJECTS.items() if sort == "Deployment"]
            assert [p for p in pods if p["spec"]["template"]["metadata"]["labels"] == labels], (kind, name)
    mounted = OBJECTS["Deployment", "scrapeguard"]["spec"]["template"]["spec"]
    assert {one["name"] for one in mounted["volumes"]} == {
        one["name"] for one in mounted["containers"][0]["volumeMounts"]
    }


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_the_unit_keeps_its_secret_and_its_lists(unit):
    assert re.search(r"^Environment=XDG_CACHE_HOME=/var/cache XDG_STATE_HOME=/var/lib$", unit, re.MULTILINE)
    assert {"CacheDirectory=scrapeguard", "StateDirectory=scrapeguard"} <= set(unit.splitlines())


def test_the_image_builds():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker that runs on this machine")
    command = [docker, "build", "--quiet", "-f", "deploy/docker/Dockerfile", "."]
    image = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run([docker, "run", "--rm", image, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("scrapeguard ")
