# SPDX-License-Identifier: Apache-2.0
"""Over 160 bad inputs of the real command: each is one clear error that names what and where.

None is a traceback, none ends with status 1, which would say that a cell failed, and none is silently something else.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lock_samples
import pytest

from harness import cli
from harness.foundry import gobuild

Make = Callable[[Path], list[str]]

CYCLE = "a: &a\n  b: *a\n"
DEEP_YAML = "a: " + "[" * 5000 + "]" * 5000 + "\n"
DEEP_FLOW = "{a: " * 3000 + "1" + "}" * 3000 + "\n"
DEEP_JSON = "[" * 100_000
LAUGHS = "\n".join([
    "a: &a [x, x, x, x, x, x, x, x, x, x]",
    *(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
])  # fmt: skip
APP = """\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: mine}
spec: {image: docker.io/library/spark:4.0.0}
"""
CELL = "kind-1.34/install-2.5.2/spark-pi"


@dataclass(frozen=True)
class Bad:
    """`words` makes the input below a folder and returns the command line; `said` is in the message."""

    name: str
    words: Make
    said: str = ""


def text(*before: str, content: str | bytes, file: str = "input.yaml", after: tuple[str, ...] = ()) -> Make:
    """A command line with the path of a file with this content after `before`."""

    def make(folder: Path) -> list[str]:
        path = folder / file
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return [*before, str(path), *after]

    return make


def folder_with(*before: str, after: tuple[str, ...] = (), **files: str | bytes) -> Make:
    """The same with a folder; `_` in a file's name is a dot."""

    def make(folder: Path) -> list[str]:
        inner = folder / "input"
        inner.mkdir()
        for name, content in files.items():
            (inner / name.replace("_", ".")).write_bytes(content.encode() if isinstance(content, str) else content)
        return [*before, str(inner), *after]

    return make


def words(*given: str) -> Make:
    """A command line as it is."""
    return lambda folder: list(given)


def config(content: str | bytes, *command: str) -> Make:
    """A command with this harness.toml."""
    return text(*(command or ("matrix",)), "--config", content=content, file="harness.toml")


def archive(before: tuple[str, ...], *members: tuple[tarfile.TarInfo, bytes], file: str = "chart.tgz") -> Make:
    """A command line with a .tgz of these members."""

    def make(folder: Path) -> list[str]:
        with tarfile.open(folder / file, "w:gz") as tar:
            for member, content in members:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return [*before, str(folder / file)]

    return make


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A header."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def linked(*before: str, to: str, file: str) -> Make:
    """A command line with a link to somewhere."""

    def make(folder: Path) -> list[str]:
        (folder / file).symlink_to(to)
        return [*before, str(folder / file)]

    return make


def lock(**changes: Any) -> str:
    """Something that looks like a lock."""
    return json.dumps({"schema": 1, "cell": CELL, "seed": 1, "lock": {}, **changes})


RUN = ("run", "--collect-only")
VALUES = (*RUN, "--cell", CELL, "--values")
APPS = (*RUN, "--cell", "kind-1.34/install-2.5.2/user-apps", "--apps")
LOCK = (*RUN, "--lock")
CHART = ("charts", "import")
AUDIT_CHART = ("audit", "images", "--source", "upstream", "--chart")
IMAGE = ("images", "import", "--as", "docker.io/a/b:1")
ADVISE = ("advise", "--from", "2.2.1", "--to", "2.5.2")
CHART_YAML = b"apiVersion: v2\nname: spark-operator\nversion: 2.5.2\n"

_OF_VALUES: dict[str, tuple[str | bytes, str]] = {
    "cyclic": (CYCLE, "refers to itself"),
    "cyclic list": ("a: &a [*a]\n", "refers to itself"),
    "deep": (DEEP_YAML, "deep"),
    "deep flow map": (DEEP_FLOW, "deep"),
    "laughs": (LAUGHS, "aliases"),
    "list": ("- a\n", "mapping"),
    "number": ("7\n", "mapping"),
    "unknown tag": ("a: !python/object:os.system x\n", "line 1"),
    "unclosed": ("a: [1\n", "line"),
    "tab": ("a:\n\tb: 1\n", "line 2"),
    "unknown alias": ("a: *b\n", "line 1"),
    "NUL": (b"a: \0\n", ""),
    "not UTF-8": (b"a: \xff\xfe\n", "UTF-8"),
    "binary": (bytes(range(256)), ""),
    "gzip": (gzip.compress(b"a: 1"), ""),
    "two documents": ("a: 1\n---\nb: 2\n", "line"),
    "a list as key": ("? [a, b]\n: 1\n", "line 1"),
    "jobNamespaces a number": ("spark: {jobNamespaces: 7}\n", "jobNamespaces"),
    "jobNamespaces a map": ("spark: {jobNamespaces: {a: b}}\n", "jobNamespaces"),
    "jobNamespaces of numbers": ("spark: {jobNamespaces: [1, 2]}\n", "jobNamespaces"),
    "spark a list": ("spark: [1]\n", "spark"),
}
_OF_APPS: dict[str, tuple[str | bytes, str]] = {
    "cyclic": (APP + "x: &a\n  b: *a\n", "refers to itself"),
    "cyclic spec": (APP.replace("spec: {", "spec: &s {self: *s, "), "refers to itself"),
    "deep": (APP + DEEP_YAML, "deep"),
    "list": ("- a\n", "no manifest"),
    "no kind": ("a: 1\n", "kind"),
    "kind a list": (APP.replace("SparkApplication", "[a]"), "kind"),
    "metadata a list": (APP.replace("{name: mine}", "[mine]"), "metadata.name"),
    "name a number": (APP.replace("name: mine", "name: 7"), "metadata.name"),
    "name with NUL": (APP.replace("name: mine", 'name: "a\\0b"'), "cannot be the name"),
    "name with path": (APP.replace("name: mine", "name: ../../x"), "cannot be the name"),
    "long name": (APP.replace("name: mine", "name: " + "a" * 300), "cannot be the name"),
    "spec a text": (APP.replace("{image: docker.io/library/spark:4.0.0}", "text"), "no spec"),
    "no image": (APP.replace("image:", "imag:"), "no image"),
    "image a number": (APP.replace("docker.io/library/spark:4.0.0", "7"), "image"),
    "image a list": (APP.replace("docker.io/library/spark:4.0.0", "[a]"), "image"),
    "image malformed": (APP.replace("docker.io/library/spark:4.0.0", '"a b:c"'), "mine"),
    "driver a list": (APP.replace("spec: {", "spec: {driver: [1], "), "driver"),
    "sparkConf a list": (APP.replace("spec: {", "spec: {sparkConf: [1], "), "sparkConf"),
    "restartPolicy a text": (APP.replace("spec: {", "spec: {restartPolicy: Never, "), "restartPolicy"),
    "a label that is a switch": (
        APP.replace("{name: mine}", "{name: mine, labels: {a: yes}}"),
        "labels.a is true, which",
    ),
    "an annotation that is a number": (
        APP.replace("{name: mine}", "{name: mine, annotations: {a: 1}}"),
        "annotations.a is 1, which is not text",
    ),
    "labels a text": (APP.replace("{name: mine}", "{name: mine, labels: x}"), "labels"),
    "template": ("kind: {{ .Values.x }}\n---\n", "YAML"),
    "not UTF-8": (b"\xff\xfe\x00", "UTF-8"),
    "NUL": (b"kind: \0\n", ""),
    "twice": (APP + "---\n" + APP, "mine"),
}
_OF_LOCKS: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", ""),
    "text": ("hello", ""),
    "deep": (DEEP_JSON, ""),
    "list": ("[]", ""),
    "number": ("7", ""),
    "NaN": ("NaN", ""),
    "other": ('{"a": 1}', ""),
    "cell a path": (lock(cell="../../etc/passwd"), ""),
    "cell a number": (lock(cell=7), ""),
    "huge seed": (lock(seed=10**400), ""),
    "seed a text": (lock(seed="x"), ""),
    "environment a path": (lock_samples.lock().text().replace('"kind-1.34"', '"../x"'), "environment.name"),
    "release a path": (lock_samples.lock().text().replace('"2.5.2"', '"../../x"'), "release.version"),
    "chart a path": (lock(chart={"name": "c", "version": "1", "sha256": "/etc/passwd", "requested": "file"}), ""),
    "not UTF-8": (b"\xff\xfe", ""),
    "gzip of nothing": (gzip.compress(b""), ""),
}
_OF_CONFIGS: dict[str, tuple[str | bytes, str]] = {
    "not TOML": ("a = ", "line"),
    "not UTF-8": (b"\xff\xfe", "cannot be read"),
    "a blank in a mirror's path": ('[mirrors."ghcr.io"]\nurl = "https://m.example/a b"\n', "line 2"),
    "unknown key": ("caches = 1\n", "caches"),
    "cache_dir a number": ("cache_dir = 7\n", "cache_dir"),
    "cache_dir with NUL": ('cache_dir = "a\\u0000b"\n', "cache_dir"),
    "cache_dir of Windows": ("cache_dir = 'C:\\Users\\me'\n", "cache_dir: 'C:\\\\Users\\\\me' is a path of Windows"),
    "reports_dir of a share": ("reports_dir = '\\\\host\\reports'\n", "line 1: key reports_dir"),
    "jobs a text": ('jobs = "x"\n', "jobs"),
    "jobs negative": ("jobs = -1\n", "jobs"),
    "jobs huge": (f"jobs = {10**18}\n", "jobs"),
    "jobs not a number": ("jobs = nan\n", "jobs"),
    "disk infinite": ("min_disk_gb = inf\n", "min_disk_gb"),
    "disk not a number": ("min_disk_gb = nan\n", "min_disk_gb"),
    "timeout not a number": ("cluster_timeout = nan\n", "cluster_timeout"),
    "timeout zero": ("cluster_timeout = 0\n", "cluster_timeout"),
    "source unknown": ('source = "x"\n', "source"),
    "mirrors a list": ("mirrors = [1]\n", "mirrors"),
    "mirror without url": ('[mirrors."ghcr.io"]\n', "url"),
    "mirror of no host": ('[mirrors."a b"]\nurl = "https://a.example"\n', "a b"),
    "mirror to itself": ('[mirrors."ghcr.io"]\nurl = "https://GHCR.io"\n', "loop"),
    "mirror a file": ('[mirrors."ghcr.io"]\nurl = "file:///etc/passwd"\n', "url"),
    "deep": ("a = " + "[" * 5000 + "]" * 5000 + "\n", ""),
}
_OF_CHARTS = {
    "a link": ((member("spark-operator/Chart.yaml", tarfile.SYMTYPE, "/etc/passwd"), b""), "link"),
    "a hard link": ((member("spark-operator/a", tarfile.LNKTYPE, "../../etc/passwd"), b""), "link"),
    "a device": ((member("spark-operator/Chart.yaml", tarfile.CHRTYPE), b""), "device"),
    "leads out": ((member("../Chart.yaml"), CHART_YAML), "not a path below"),
    "absolute": ((member("/Chart.yaml"), CHART_YAML), "not a path below"),
    "binary": ((member("spark-operator/Chart.yaml"), bytes(range(256))), "Chart.yaml"),
    "cyclic": ((member("spark-operator/Chart.yaml"), CHART_YAML + b"annotations: &a {b: *a}\n"), "Chart.yaml"),
    "deep": ((member("spark-operator/Chart.yaml"), DEEP_YAML.encode()), "Chart.yaml"),
    "a list": ((member("spark-operator/Chart.yaml"), b"- a\n"), "Chart.yaml"),
    "no version": ((member("spark-operator/Chart.yaml"), b"apiVersion: v2\nname: spark-operator\n"), "version"),
    "version a map": (
        (member("spark-operator/Chart.yaml"), b"apiVersion: v2\nname: spark-operator\nversion: {a: b}\n"),
        "version",
    ),
    "name a list": ((member("spark-operator/Chart.yaml"), b"apiVersion: v2\nname: [a]\nversion: 1.0.0\n"), "name"),
    "another": ((member("a/Chart.yaml"), b"apiVersion: v2\nname: a\nversion: 1.0.0\n"), ""),
}


def manifest(kind: str = "ConfigMap", rest: str = "", metadata: str = "name: x", version: str = "v1") -> str:
    """One object for --before."""
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{{metadata}}}\n{rest}"


_CRD = "CustomResourceDefinition"
_OF_BEFORE: dict[str, tuple[str | bytes, str]] = {
    "kind a list": (manifest("[x]"), "must be text"),
    "apiVersion a number": (manifest(version="1"), "must be text"),
    "name a path": (manifest(metadata="name: ../../x"), "cannot be the name"),
    "namespace a list": (manifest(metadata="name: x, namespace: [a]"), "namespace"),
    "namespace a path": (manifest(metadata="name: x, namespace: ../a"), "namespace"),
    "labels a list": (manifest("Namespace", metadata="name: x, labels: [a]"), "metadata.labels"),
    "a CRD's spec a text": (manifest(_CRD, "spec: text"), "spec is not a mapping"),
    "a CRD's versions a number": (manifest(_CRD, "spec: {versions: 7}"), "spec.versions"),
    "a CRD's version a text": (manifest(_CRD, "spec: {versions: [v1]}"), "spec.versions"),
    "template a text": (manifest("Deployment", "spec: {template: text}", version="apps/v1"), "spec.template"),
    "a label that is a switch": (manifest("Namespace", metadata="name: x, labels: {a: yes}"), "labels.a is not text"),
    "a datum that is a number": (manifest(rest="data: {a: 7}"), "data.a is not text"),
    "data a list": (manifest("Secret", "stringData: [a]"), "stringData is not a mapping"),
    "a key twice": (manifest(rest="data: {a: b}\ndata: {c: d}"), "a.yaml:5: the key data stands in line 4 already"),
    "containers texts": (manifest("Pod", "spec: {containers: [a]}"), "spec.containers"),
}

_ACCESS = """\
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: x}}]
"""
_OF_KUBECONFIGS: dict[str, tuple[tuple[str, str], str]] = {
    "another scheme": (("https://127", "ftp://127"), "'ftp://127.0.0.1:1'"),
    "no port": ((":1", ":99999"), "99999"),
    "server a list": (('"https://127.0.0.1:1"', "[a]"), "server"),
    "a CA that is not base64": ((':1"', ':1", certificate-authority-data: "%"'), "certificate-authority-data"),
    "a CA that is not PEM": ((':1"', ':1", certificate-authority-data: aGVsbG8='), "certificate-authority-data"),
    "a certificate that is not PEM": (("token: x", "client-certificate-data: aGVsbG8="), "client-certificate-data"),
    "no such user": (("user: a}", "user: b}"), "user b"),
    "contexts a text": (("contexts: [{name: a, context: {cluster: a, user: a}}]", "contexts: x"), "contexts"),
    "a context without a name": (("contexts: [{name: a, ", "contexts: [{"), "contexts"),
    "a context that is a list": (("context: {cluster: a, user: a}", "context: [a]"), "contexts"),
    "a cluster that is a text": (('cluster: {server: "https://127.0.0.1:1"}', "cluster: x"), "clusters"),
    "a user that is a list": (("user: {token: x}", "user: [a]"), "users"),
    "a plugin that is a text": (("token: x", "exec: x"), "users"),
    "a switch that is a text": (
        (':1"', ':1", insecure-skip-tls-verify: "maybe"'),
        "insecure-skip-tls-verify is 'maybe'",
    ),
    "a token that is a number": (("token: x", "token: 4711"), "its token is not text: write it in quotes"),
    "a proxy that is a list": ((':1"', ':1", proxy-url: [a]'), "its proxy-url is not text"),
    "a user that acts as another": (("token: x", "token: x, as: admin"), "acts as another one (as)"),
    "args of a plugin that are a text": (("token: x", "exec: {command: sh, args: x}"), "args of its login plugin"),
    "env of a plugin that is a mapping": (("token: x", "exec: {command: sh, env: {A: b}}"), "env of its login plugin"),
    "a current context that is a list": (("current-context: a", "current-context: [a]"), "current-context is not text"),
    "a cluster that is a list": (("cluster: a, user", "cluster: [a], user"), "its cluster is not text"),
    "a user of a context that is a list": (("user: a}", "user: [a]}"), "its user is not text"),
    "a provider of old": (("token: x", "auth-provider: {name: gcp}"), "auth-provider 'gcp'"),
}
SNAPSHOT = ("snapshot", "--kubeconfig")
_OF_OPTIONS = {
    "internet, a step of a list": ("--list runs nothing", ("internet", "--list", "--step", "run")),
    "shell of one run": ("leave out one", ("shell", "--list", "--run", "../../x")),
    "snapshot namespace": ("'../x'", ("snapshot", "--namespace", "../x")),
    "clean context": ("/nonexistent", ("clean", "--context", "a", "--kubeconfig", "/nonexistent")),
    "audit release": ("9.9.9", ("audit", "images", "--release", "9.9.9", "--source", "upstream")),
    "--jobs 0": ("jobs", (*RUN, "--jobs", "0")),
    "--jobs -1": ("jobs", (*RUN, "--jobs=-1")),
    "--jobs x": ("--jobs", (*RUN, "--jobs", "x")),
    "--jobs huge": ("", (*RUN, "--jobs", "9" * 5000)),
    "--repeat 0": ("--repeat", (*RUN, "--repeat", "0")),
    "--repeat huge": ("--repeat", (*RUN, "--cell", CELL, "--repeat", str(10**12))),
    "--seed -1": ("--seed", (*RUN, "--seed=-1")),
    "--seed huge": ("--seed", (*RUN, "--seed", str(10**30))),
    "--cell path": ("../../etc/passwd", (*RUN, "--cell", "../../etc/passwd")),
    "--cell unknown": ("spark-pie", (*RUN, "--cell", "kind-1.34/install-2.5.2/spark-pie")),
    "--env unknown": ("kind-9.99", ("matrix", "--env", "kind-9.99")),
    "--env a bracket": ("[", ("matrix", "--env", "[")),
    "--path unknown": ("install-9", ("matrix", "--path", "install-9")),
    "--tag unknown": ("nigthly", ("matrix", "--tag", "nigthly")),
    "--scenario unknown": ("spark-pie", ("matrix", "--scenario", "spark-pie")),
    "--source unknown": ("--source", ("matrix", "--source", "x")),
    "--shards 0": ("--shards", ("matrix", "--shards", "0")),
    "--drift alone": ("--drift", (*RUN, "--drift")),
    "--lock unknown digest": ("sha256:" + "0" * 64, (*LOCK, "sha256:" + "0" * 64)),
    "--lock nothing": ("/nonexistent", (*LOCK, "/nonexistent")),
    "--values nothing": ("/nonexistent", (*VALUES, "/nonexistent")),
    "--apps nothing": ("/nonexistent", (*APPS, "/nonexistent")),
    "--values unreadable": ("/proc/self/mem", (*VALUES, "/proc/self/mem")),
    "--lock unreadable": ("/proc/self/mem", (*LOCK, "/proc/self/mem")),
    "--config unreadable": ("/proc/self/mem", ("matrix", "--config", "/proc/self/mem")),
    "--config a folder": ("/proc", ("matrix", "--config", "/proc")),
    "--values a folder": ("/proc", (*VALUES, "/proc")),
    "--values with NUL": ("NUL", (*VALUES, "a\0b")),
    "--apps with NUL": ("NUL", (*APPS, "a\0b")),
    "--lock with NUL": ("NUL", (*LOCK, "a\0b")),
    "--config with NUL": ("NUL", ("matrix", "--config", "a\0b")),
    "--values too long": ("aaaa", (*VALUES, "a" * 5000)),
    "--lock too long": ("aaaa", (*LOCK, "a" * 5000)),
    "--config too long": ("aaaa", ("matrix", "--config", "a" * 5000)),
    "chart too long": ("aaaa", (*AUDIT_CHART, "a" * 5000)),
    "manifests with NUL": ("NUL", ("audit", "images", "--manifests", "a\0b")),
    "docs with NUL": ("NUL", ("audit", "docs", "a\0b")),
    "report with NUL": ("NUL", ("report", "open", "a\0b")),
    "advise unknown": ("9.9.9", ("advise", "--from", "9.9.9", "--to", "2.5.2")),
    "advise a path": ("../../x", ("advise", "--from", "../../x", "--to", "2.5.2")),
    "clean a path": ("../../x", ("clean", "--run", "../../x")),
    "shell unknown": ("nothing", ("shell", "nothing")),
    "tool unknown": ("hlem", ("tool", "hlem")),
    "report of nothing": ("/nonexistent", ("report", "open", "/nonexistent")),
    "merge of nothing": ("/nonexistent", ("report", "merge", "/nonexistent")),
    "registry port": ("70000", ("registry", "up", "--port", "70000")),
    "registry name": ("../x", ("registry", "up", "--name", "../x")),
    "registry package": ("private", ("registry", "up", "--package", "a=b")),
    "registry user": ("'../x'", ("registry", "up", "--user", "../x=read:packages")),
    "registry limit": ("--limit", ("registry", "up", "--limit", "1,2")),
    "registry limit huge": ("--limit", ("registry", "up", "--limit", f"1,2,{'9' * 5000}")),
    "copy of nothing": ("", ("registry", "copy", "a b", "c")),
    "copy jobs": ("--jobs", ("registry", "copy", "a/b:1", "a/c:1", "--jobs", "0")),
    "reference": ("A B", ("images", "remove", "A B")),
}


def _corpus() -> list[Bad]:
    found = [Bad(f"--values: {name}", text(*VALUES, content=it), said) for name, (it, said) in _OF_VALUES.items()]
    found += [Bad(f"--apps: {name}", folder_with(*APPS, app_yaml=it), said) for name, (it, said) in _OF_APPS.items()]
    found += [
        Bad(f"--lock: {name}", text(*LOCK, content=it, file="lock.json"), said)
        for name, (it, said) in _OF_LOCKS.items()
    ]
    found += [
        Bad(f"--before: {name}", folder_with(*RUN, "--cell", CELL, "--before", a_yaml=it), said)
        for name, (it, said) in _OF_BEFORE.items()
    ]
    found += [
        Bad(f"kubeconfig: {name}", text(*SNAPSHOT, content=_ACCESS.replace(*it)), said)
        for name, (it, said) in _OF_KUBECONFIGS.items()
    ]
    found += [Bad(f"settings: {name}", config(it), said) for name, (it, said) in _OF_CONFIGS.items()]
    for command in (CHART, AUDIT_CHART):
        found += [
            Bad(f"{command[0]}: chart: {name}", archive(command, it), said) for name, (it, said) in _OF_CHARTS.items()
            if command is CHART or name != "another"
        ]  # fmt: skip
    found += [Bad(f"option: {name}", words(*it), said) for name, (said, it) in _OF_OPTIONS.items()]
    found += [
        Bad("--apps: empty", folder_with(*APPS), "no manifest"),
        Bad("--apps: a file", text(*APPS, content=APP), "is not a folder"),
        Bad("--lock: an empty folder", folder_with(*LOCK), "lock.json"),
        Bad("--lock: a loop of links", linked(*LOCK, to="lock.json", file="lock.json"), "lock.json"),
        Bad("--lock: a link to nothing", linked(*LOCK, to="/nonexistent", file="lock.json"), "lock.json"),
        Bad("--values: a loop of links", linked(*VALUES, to="v.yaml", file="v.yaml"), "v.yaml"),
        Bad("--apps: a loop of links", linked(*APPS, to="apps", file="apps"), "apps"),
        Bad("chart: a folder with a link", _chart_with_link, "link"),
        Bad("chart: text", text(*CHART, content="hello", file="chart.tgz"), "chart.tgz"),
        Bad("chart: markup in its path", text(*CHART, content="hello", file="[bold]x[red].tgz"), "[bold]x[red].tgz"),
        Bad("image: text", text(*IMAGE, content="hello", file="image.tar"), "image.tar"),
        Bad("image: markup in its path", text(*IMAGE, content="hello", file="[bold]x[red].tar"), "[bold]x[red].tar"),
        Bad("image: an empty archive", archive(IMAGE, file="image.tar"), "image.tar"),
        Bad("image: a deep index", archive(IMAGE, (member("index.json"), DEEP_JSON.encode()), file="i.tar"), "i.tar"),
        Bad("image: a manifest of numbers", archive(IMAGE, (member("manifest.json"), b"[7]"), file="i.tar"), "i.tar"),
        Bad(
            "image: an index of text",
            archive(IMAGE, (member("oci-layout"), b"{}"), (member("index.json"), b'{"manifests": "x"}'), file="i.tar"),
            "index.json: manifests lacks descriptors",
        ),
        Bad(
            "image: annotations of text",
            archive(
                IMAGE,
                (member("oci-layout"), b"{}"),
                (member("index.json"), b'{"manifests": [{"digest": "x", "annotations": "y"}]}'),
                file="i.tar",
            ),
            "index.json: manifests lacks descriptors",
        ),
        Bad("image: leads out", archive(IMAGE, (member("../x"), b"x"), file="i.tar"), "i.tar"),
        Bad("report: deep", folder_with("report", "open", results_json=DEEP_JSON), "results.json"),
        Bad("report: other", folder_with("report", "open", results_json='{"a": 1}'), "results.json"),
        Bad(
            "report: a newer form",
            folder_with("report", "merge", results_json='{"schema_version": 2}'),
            "schema_version: Input should be 1\n",
        ),
        Bad("advise: kind a list", folder_with(*ADVISE, "--apps", app_yaml="kind: [a]\n"), "has an application"),
        Bad("advise: text for a chart", text(*ADVISE, "--chart", content="x"), "could not be opened successfully\n"),
        Bad(
            "snapshot: a folder of somebody's",
            text(*SNAPSHOT, content=_ACCESS, after=("-o", ".")),
            "is there already, and is not a snapshot",
        ),
        Bad("sarif: a folder", _sarif, "/proc"),
        Bad("cache: a file", _cache_is_a_file, "cannot"),
    ]
    return found


def _chart_with_link(folder: Path) -> list[str]:
    chart = folder / "chart"
    chart.mkdir()
    (chart / "Chart.yaml").write_bytes(CHART_YAML)
    (chart / "values.yaml").symlink_to("/etc/hostname")
    return [*AUDIT_CHART, str(chart)]


def _sarif(folder: Path) -> list[str]:
    return ["audit", "docs", str(folder), "--sarif", "/proc"]


def _cache_is_a_file(folder: Path) -> list[str]:
    (folder / "cache").write_text("")
    (folder / "harness.toml").write_text(f'cache_dir = "{folder / "cache"}"\n')
    (folder / "c.tgz").write_text("")
    return [*CHART, str(folder / "c.tgz"), "--config", str(folder / "harness.toml")]


CORPUS = _corpus()


def test_the_corpus_has_160_inputs_with_names_of_their_own() -> None:
    assert len(CORPUS) >= 160
    assert len({it.name for it in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("bad", CORPUS, ids=lambda it: it.name)
def test_it_is_one_clear_error(
    bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HARNESS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own-cache"))
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "own-reports"))
    monkeypatch.chdir(tmp_path)
    # Where pytest would begin, the input was taken for a good one.
    monkeypatch.setattr(pytest, "main", lambda *_, **__: 0)
    monkeypatch.setattr(gobuild, "build", lambda *_, **__: pytest.fail("programs are built for a bad input"))
    argv = bad.words(tmp_path)
    try:
        status = cli.main(argv)
    except SystemExit as refused:
        # argparse's way to end.
        status = int(refused.code or 0)
    said = capsys.readouterr()
    told = said.err
    assert status in (2, 3), said.out[-2000:] + told
    assert "internal error" not in told
    assert "Traceback" not in told + said.out
    assert bad.said in told
    assert re.search(r"next: \S|error: ", told)
    assert len(told) < 12_000
