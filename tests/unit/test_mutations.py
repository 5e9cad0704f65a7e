# SPDX-License-Identifier: Apache-2.0
"""Each node of what a user gives, replaced in turn by something else: every reader takes it or refuses it in words.

No other exception than the harness's own may leave a reader: it would end the command as a defect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lock_samples
import pytest
import site_samples
import yaml
from advice_samples import CATALOGUE, HOMES
from report_samples import run as any_run

from harness import libyaml, settings
from harness.advice import files, manifests, objects, site, values
from harness.advice.remarks import End
from harness.apps import user_folder
from harness.apps.samples import chart_values
from harness.audit import docs, mend, sarif, subjects, told
from harness.errors import HarnessError
from harness.kube import pull_messages
from harness.matrix import own_rows
from harness.redaction.redactor import MASK
from harness.registries.front import profile
from harness.rehearsal import applications
from harness.rehearsal import values as rehearsed_values
from harness.rehearsal.stand_ins import Means
from harness.releases import copy_plan, namespaces
from harness.releases import manifests as before
from harness.releases import values as chart
from harness.report import diff, merge, trend, trend_page
from harness.run import lock
from harness.sites import folder

Read = Callable[[Path], object]

IN_ITS_PLACE: tuple[Any, ...] = (None, "text", 7, ["text"], {"a": "b"}, "")

IMAGE = {"registry": "docker.io", "repository": "kubeflow/spark-operator", "tag": "2.1.1"}
CHART = {"chart": "spark-operator", "repoURL": "https://kubeflow.github.io/spark-operator", "targetRevision": "2.1.1"}
APPLICATION = {
    "kind": "Application",
    "metadata": {"name": "op", "namespace": "argo"},
    "spec": {
        "destination": {"namespace": "spark"},
        "sources": [
            {"repoURL": "https://git.example/values", "ref": "values"},
            {
                **CHART,
                "helm": {
                    "valueFiles": ["$values/a.yaml"],
                    "values": "image: {tag: 2.1.1}",
                    "valuesObject": {"image": IMAGE},
                    "parameters": [{"name": "image.registry", "value": "docker.io"}],
                },
            },
        ],
        "syncPolicy": {"syncOptions": ["ServerSideApply=true"]},
    },
}
SET = {
    "kind": "ApplicationSet",
    "metadata": {"name": "ops"},
    "spec": {
        "generators": [{"list": {"elements": [{"version": "2.1.1"}]}}],
        "template": {"metadata": {"name": "op"}, "spec": {"source": {**CHART, "helm": {"releaseName": "op"}}}},
        "templatePatch": "spec: {source: {helm: {valuesObject: {image: {tag: 2.1.1}}}}}",
    },
}
RELEASE = [
    {
        "kind": "HelmRelease",
        "metadata": {"name": "op", "namespace": "flux"},
        "spec": {
            "chart": {"spec": {"chart": "spark-operator", "sourceRef": {"kind": "HelmRepository", "name": "op"}}},
            "valuesFrom": [{"kind": "ConfigMap", "name": "beside", "targetPath": "image.tag"}],
            "values": {"image": IMAGE},
            "upgrade": {"crds": "Skip"},
            "postRenderers": [
                {"kustomize": {"images": [{"name": "a", "newName": "docker.io/kubeflow/spark-operator"}]}}
            ],
        },
    },
    {
        "kind": "HelmRepository",
        "metadata": {"name": "op"},
        "spec": {"url": "https://kubeflow.github.io/spark-operator"},
    },
    {"kind": "ConfigMap", "metadata": {"name": "beside"}, "data": {"values.yaml": "image: {tag: 2.1.1}"}},
]
HELMFILE = {
    "repositories": [{"name": "kubeflow", "url": "https://kubeflow.github.io/spark-operator"}],
    "releases": [
        {
            "name": "op",
            "chart": "kubeflow/spark-operator",
            "values": ["base.yaml", {"image": IMAGE}],
            "set": [{"name": "image.tag", "value": "2.1.1"}],
        }
    ],
}
KUSTOMIZATION = {
    "kind": "Kustomization",
    "images": [{"name": "docker.io/kubeflow/spark-operator", "newTag": "2.1.1"}],
    "patches": [{"patch": "- {op: replace, path: /spec/image, value: a}", "target": {"kind": "Deployment"}}],
    "helmCharts": [{"name": "spark-operator", "valuesFile": "v.yaml", "valuesInline": {"image": IMAGE}}],
}
TERRAFORM = {
    "resource": {
        "helm_release": {
            "op": {"chart": "spark-operator", "values": ["image: {tag: 2.1.1}"], "set": [{"name": "a", "value": "b"}]}
        }
    }
}
CROSSPLANE = {
    "kind": "Release",
    "spec": {
        "forProvider": {
            "chart": {"name": "spark-operator", "repository": "https://a.example", "version": "2.1.1"},
            "values": {"image": IMAGE},
            "set": [{"name": "image.tag", "value": "2.1.1"}],
        }
    },
}
FLEET = {
    "helm": {"chart": "spark-operator", "repo": "https://a.example", "values": {"image": IMAGE}},
    "targetCustomizations": [{"name": "a", "helm": {"values": {"image": {"tag": "2.1.1"}}}}],
}
VALUES = {
    "image": {**IMAGE, "pullSecrets": [{"name": "hub"}]},
    "spark": {"jobNamespaces": ["etl"], "serviceAccount": {"create": False, "name": "me"}},
    "controller": {
        "env": [{"name": "A", "value": "b"}],
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a"}],
        "volumes": [{"name": "x", "secret": {"secretName": "s"}}],
        "resources": {"requests": {"cpu": "100m"}},
    },
    "webhook": {"enable": True, "failurePolicy": "Ignore"},
    "prometheus": {"podMonitor": {"create": True}},
}
APP = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"name": "a", "labels": {"team": "data"}},
    "spec": {
        "image": "docker.io/library/spark:4.0.0",
        "arguments": ["--days", "7"],
        "sparkConf": {"spark.eventLog.enabled": "true"},
        "volumes": [{"name": "x", "persistentVolumeClaim": {"claimName": "c"}}],
        "driver": {
            "env": [{"name": "A", "value": MASK}],
            "volumeMounts": [{"name": "x", "mountPath": "/x"}],
            "template": {"spec": {"containers": [{"name": "c", "image": "a/b:1"}]}},
        },
        "executor": {"instances": 2},
    },
    "status": {"state": "COMPLETED", "seconds": 5},
}
SCHEDULE = {
    **APP,
    "kind": "ScheduledSparkApplication",
    "spec": {"schedule": "@every 1m", "template": {"image": "docker.io/library/spark:4.0.0", "driver": {"cores": 1}}},
}
CRD = {
    **site_samples.crd("SparkApplication"),
    "kind": "CustomResourceDefinition",
    "apiVersion": "apiextensions.k8s.io/v1",
}
CRD["spec"]["group"] = "acme.example"
POD = {**site_samples.pod(), "apiVersion": "v1", "kind": "Pod"}
SITE = {
    "schema_version": 1,
    "made": "2026-01-01",
    "harness": "0.1.0",
    "context": "c",
    "cluster": {"version": "v1.34.4", "distribution": "kind"},
    "kinds": ["SparkApplication"],
    "releases": [
        {
            "name": "op",
            "namespace": "spark",
            "revision": 1,
            "status": "deployed",
            "chart": "spark-operator",
            "chart_version": "2.2.1",
            "app_version": "2.2.1",
            "values": {"image": IMAGE, "controller": {"env": [{"name": "A", "value": MASK}]}},
            "masked": ["/controller/env/0/value"],
        }
    ],
}
SETTINGS = {
    "source": "upstream",
    "jobs": 2,
    "cluster": {"context": "c"},
    "catalogue_dirs": ["."],
    "mirrors": {"ghcr.io": {"url": "https://a.example", "username": "me", "password": "p"}},
    "logins": {"ghcr.io": {"username": "me", "token_file": "t"}},
}
PLAN = {
    "release": [{"version": "2.5.2", "to": "a.example/m", "parts": ["hook"]}],
    "image": [{"src": "a/b:1", "dst": "c"}],
}
MESSAGES = {
    "kind": [{"name": "mine", "fault": "registry", "waiting": True, "next": "n"}],
    "message": [{"kind": "mine", "status": ["503"], "words": "w", "source": "s", "version": "1", "examples": ["e"]}],
}
REGISTRIES = {
    "a.example": {"host": "b", "names": ["c"], "limits": {"anonymous": 1}, "answers": {"token-ended": {"at": "token"}}}
}
RELOCATIONS = {"relocation": [{"host": "quay.io", "repository": "a/b", "hook_repository": "a/c", "replaces": False}]}


def _of_values(file: Path) -> object:
    found = chart.load_values(file)
    namespaces.of_values(found)
    return subjects.of_values([file], HOMES)


def _of_values_in_advice(file: Path) -> object:
    return values.remarks(chart.load_values(file), OLD, NEW, homes=HOMES)


OLD, NEW = (End(name=it, release=CATALOGUE.release(it)) for it in ("2.1.1", "2.5.2"))


def _of_before(file: Path) -> object:
    return before.kinds(before.read(file.parent))


def _of_documents(file: Path) -> object:
    scanner = docs.Scanner(HOMES)
    found = docs.audit(file, HOMES)
    return mend.plan(found, scanner), sarif.text(found), told.documents_json(found)


def _of_apps(file: Path) -> object:
    seen = objects.look(files.in_folder(file.parent).found, CATALOGUE.release("2.5.2"), None)
    return seen, user_folder.read(file.parent)


def _of_site(file: Path) -> object:
    root = next(it for it in file.parents if (it / "site.yaml").exists())
    reading = site.read(root, "")
    site.remarks(reading, CATALOGUE.release("2.5.2"), None)
    list(site.applications(reading))
    folder.crd(root, "sparkapplications.sparkoperator.k8s.io")
    rehearsed_values.of(reading, CATALOGUE.release("2.2.1"), CATALOGUE)
    means = Means(has=lambda image: True, spark=chart_values().spark)
    return applications.rehearsed(root, reading.site, means, 5)


def _of_report(file: Path) -> object:
    found = merge.merge(merge.find([file.parent])).run
    return diff.compare(found, found), trend_page.render(trend.of_runs([found]))


def _of_plan(file: Path) -> object:
    return copy_plan.read(file, CATALOGUE.release, str)


def _of_lock(file: Path) -> object:
    return lock.parse(file.read_text(), where="x")


def _of_rows(file: Path) -> object:
    own = own_rows.read([file.parent])
    if file.stem == "pull-messages":
        return pull_messages.checked(own)
    return profile.profiles(own=own) if file.stem == "registries" else own.over(CATALOGUE.written[file.stem])


READERS: dict[str, tuple[str, Any, Read]] = {
    "advise: an Application": ("a.yaml", APPLICATION, manifests.read),
    "advise: an ApplicationSet": ("a.yaml", SET, manifests.read),
    "advise: a HelmRelease": ("a.yaml", RELEASE, manifests.read),
    "advise: a helmfile": ("a.yaml", HELMFILE, manifests.read),
    "advise: a Kustomization": ("a.yaml", KUSTOMIZATION, manifests.read),
    "advise: Crossplane": ("a.yaml", CROSSPLANE, manifests.read),
    "advise: Terraform": ("a.yaml", TERRAFORM, manifests.read),
    "values": ("v.yaml", VALUES, _of_values),
    "advise: values": ("v.yaml", {"image": IMAGE, "spark": {"jobNamespaces": ["etl"]}}, _of_values_in_advice),
    "apps": ("apps/a.yaml", APP, _of_apps),
    "apps: a schedule": ("apps/a.yaml", SCHEDULE, _of_apps),
    "before": ("before/a.yaml", [CRD, POD], _of_before),
    "audit images": ("a.yaml", [APPLICATION, *RELEASE], lambda file: subjects.of_manifests([file], HOMES)),
    "audit images: others": ("a.yaml", [KUSTOMIZATION, FLEET], lambda file: subjects.of_manifests([file], HOMES)),
    "audit docs": (
        "values.yaml",
        {"image": IMAGE, "images": [{"name": "docker.io/kubeflow/spark-operator"}]},
        _of_documents,
    ),
    "a snapshot": ("site.yaml", SITE, _of_site),
    "a snapshot's applications": ("applications/SparkApplication.yaml", APP, _of_site),
    "a snapshot's CRD": ("crds/sparkapplications.sparkoperator.k8s.io.yaml", CRD["spec"], _of_site),
    "a lock": (
        "lock.json",
        json.loads(lock_samples.lock().model_dump_json()),
        lambda file: lock.parse(file.read_text(), where="x"),
    ),
    "results": ("r/results.json", json.loads(any_run("spark-pi").model_dump_json()), _of_report),
    "harness.toml": ("harness.toml", SETTINGS, lambda file: settings.load(file=file, environment={})),
    "a plan of copies": ("plan.toml", PLAN, _of_plan),
    "pull messages": ("rows/pull-messages.toml", MESSAGES, _of_rows),
    "registries": ("rows/registries.toml", REGISTRIES, _of_rows),
    "relocations": ("rows/releases.toml", RELOCATIONS, _of_rows),
}


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each node."""
    yield above
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, it in inner:
        yield from places(it, (*above, key))


def with_other(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """A copy with something else at a place."""
    if not place:
        return other
    key, *rest = place
    inner = with_other(value[key], tuple(rest), other)
    return {**value, key: inner} if isinstance(value, dict) else [*value[:key], inner, *value[key + 1 :]]


def written(value: Any, suffix: str) -> str:
    """The text of a file; empty where the language has no such thing."""
    if suffix == ".json":
        return json.dumps(value)
    if suffix == ".yaml":
        dump = yaml.dump_all if isinstance(value, list) else yaml.dump
        return str(dump(value, Dumper=libyaml.Dumper, sort_keys=False))
    return "".join(f"{json.dumps(key)} = {_toml(it)}\n" for key, it in value.items()) if isinstance(value, dict) else ""


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {_toml(it)}' for key, it in value.items())}}}"
    return "nan" if value is None else json.dumps(value)


def a_snapshot(root: Path) -> None:
    """A whole one, of which one file is replaced."""
    for name in ("a snapshot", "a snapshot's applications", "a snapshot's CRD"):
        path, sample, _ = READERS[name]
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(written(sample, ".yaml"))


def others(sample: Any, *, each: bool) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The places of a sample, with all that takes their place, or with one of it in turn."""
    for number, place in enumerate(places(sample)):
        for other in IN_ITS_PLACE if each else [IN_ITS_PLACE[number % len(IN_ITS_PLACE)]]:
            yield place, other


def walk(name: str, root: Path, *, each: bool) -> None:
    """Let a reader read each mutation of its sample; only the harness's own errors may leave it."""
    path, sample, read = READERS[name]
    if name.startswith("a snapshot"):
        a_snapshot(root)
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for place, other in others(sample, each=each):
        file.write_text(written(with_other(sample, place, other), file.suffix))
        try:
            read(file)
        except HarnessError:
            continue
        except Exception as defect:
            raise AssertionError(f"{place} <- {other!r}") from defect


@pytest.mark.parametrize("name", READERS)
def test_a_node_that_is_something_else_is_no_defect(name: str, tmp_path: Path) -> None:
    walk(name, tmp_path, each=False)


@pytest.mark.nightly
@pytest.mark.parametrize("name", READERS)
def test_nor_is_anything_else_in_its_place(name: str, tmp_path: Path) -> None:
    walk(name, tmp_path, each=True)


@pytest.mark.parametrize("name", [it for it in READERS if it != "registries"])
def test_the_samples_themselves_are_read(name: str, tmp_path: Path) -> None:
    path, sample, read = READERS[name]
    a_snapshot(tmp_path)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(written(sample, (tmp_path / path).suffix))
    read(tmp_path / path)
