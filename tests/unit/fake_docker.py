# SPDX-License-Identifier: Apache-2.0
"""A `docker` whose engine is a file: unit tests have no engine, and no test can have another user's or host's.

It answers what the leak proof asks, and removes what it is told to. Real engines are in tests/integration.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, os, re, sys
host = os.environ.get("DOCKER_HOST", "local").rsplit("/", 1)[-1]
file = "{folder}/" + host + ".json"
if not os.path.exists(file):
    sys.exit("Cannot connect to the Docker daemon at " + host)
engine, words = json.load(open(file)), sys.argv[1:]

def value(flag):
    return words[words.index(flag) + 1] if flag in words else ""

def columns(it):
    labels = re.findall(r'Label "([^"]+)"', value("--format"))
    said = [it.get("labels", {{}}).get(label, "") for label in labels]
    return list(map(json.dumps, said)) if "json (" in value("--format") else said

if words[0] == "version":
    print("29.0.0")
elif words[0] == "info":
    print(json.dumps(engine["info"]))
elif words[0] == "ps" and value("--filter").startswith("ancestor="):
    print("\\n".join(n for n, it in engine["container"].items() if value("--filter")[9:] in it.get("from", [])))
elif words[0] == "ps" and value("--filter").startswith("network="):
    print("\\n".join(n for n, it in engine["container"].items() if value("--filter")[8:] == it.get("network")))
elif words[0] == "ps":
    for name, it in engine["container"].items():
        print("\\t".join([name, name, "running", *columns(it)]))
elif words[:2] in (["network", "ls"], ["volume", "ls"]):
    for name, it in engine[words[0]].items():
        print("\\t".join([name, name, *columns(it)]))
elif words[:2] == ["image", "ls"]:
    print("\\n".join("sha256:" + name + "\\t" + name for name in engine["image"]))
elif words[:2] == ["image", "inspect"]:
    wanted = re.search(r'eq \\$key "([^"]+)"', value("--format"))[1]
    for name in words[4:]:
        said = engine["image"][name.removeprefix("sha256:")].get("labels", {{}}).get(wanted, "")
        print(name + "\\t" + (json.dumps(said) if "json $value" in value("--format") else said))
elif words[:2] == ["container", "inspect"]:
    for name in words[4:]:
        print("\\n".join(engine["container"].get(name, {{}}).get("volumes", [])))
elif words[1] == "rm":
    for name in words[2:]:
        engine[words[0]].pop(name, None)
    json.dump(engine, open(file, "w"))
else:
    sys.exit("not foreseen: " + " ".join(words))
"""


@dataclass(frozen=True)
class FakeEngine:
    """One engine; `name` is its DOCKER_HOST, without the scheme."""

    file: Path

    def put(self, kind: str, name: str, **facts: Any) -> None:
        """Create something: `labels`, for a container also `network`, `volumes` and `from`, the images under it."""
        content = json.loads(self.file.read_text())
        content[kind][name] = facts
        self.file.write_text(json.dumps(content))

    def names(self, kind: str) -> set[str]:
        """The names of what there is of a kind."""
        return set(json.loads(self.file.read_text())[kind])


def engine(folder: Path, name: str = "local", **info: str) -> FakeEngine:
    """An engine that the docker of this folder reaches; `info` is what it says of itself."""
    program = folder / "docker"
    program.write_text(_PROGRAM.format(python=sys.executable, folder=folder))
    program.chmod(0o755)
    made = FakeEngine(file=folder / f"{name}.json")
    said = {"ID": f"id-of-{name}", "Name": f"host-of-{name}", "DockerRootDir": "/var/lib/docker", **info}
    made.file.write_text(json.dumps({"info": said, "container": {}, "network": {}, "volume": {}, "image": {}}))
    return made
