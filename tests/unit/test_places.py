# SPDX-License-Identifier: Apache-2.0
"""Which namespace each application of a folder gets, with which ConfigMaps and Secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from user_samples import PI, written

from harness.apps import user_folder
from harness.apps.places import places
from harness.kube.needs import needs

X = "the Secret x"


def app(name: str, *, home: str = "default", config_map: str = "") -> str:
    text = PI.replace("name: etl", f"name: {name}").replace("namespace: production", f"namespace: {home}")
    return text.replace("  mode:", f"  sparkConfigMap: {config_map}\n  mode:") if config_map else text


def config_map(name: str, value: str, *, home: str = "default") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {home}}}\ndata: {{a: '{value}'}}\n"


def placed(folder: Path) -> dict[str, tuple[list[str], list[str]]]:
    return {
        place.namespace: (
            [it.where for it in place.applications],
            [str(it.document["data"]["a"]) for it in place.helpers.values()],
        )
        for place in places(user_folder.read(folder).manifests)
    }


def test_all_share_a_namespace_where_they_can(tmp_path: Path) -> None:
    folder = written(tmp_path, a=app("one", config_map="code"), b=app("two"), c=config_map("code", "1"))
    assert placed(folder) == {"user-apps": (["a.yaml:1", "b.yaml:1"], ["1"])}


def test_equal_names_and_equal_helpers_get_a_namespace_of_their_own(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        a=f"{app('one', config_map='code')}---\n{config_map('code', 'a')}",
        b=f"{app('two', config_map='code')}---\n{config_map('code', 'b')}",
        c=app("one"),
    )
    assert placed(folder) == {
        "user-apps": (["a.yaml:1"], ["a"]),
        "user-apps-2": (["b.yaml:1", "c.yaml:1"], ["b"]),
    }


def test_what_is_needed_is_looked_for_nearby_first(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        a__app=app("one", home="a", config_map="code"),
        a__code=config_map("code", "a", home="a"),
        b__app=app("two", home="b", config_map="code"),
        b__code=config_map("code", "b", home="b"),
    )
    assert [helpers for _, helpers in placed(folder).values()] == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("volumes: [{name: v, configMap: {name: x}}]", ["the ConfigMap x"]),
        ("volumes: [{name: v, configMap: {name: x, optional: true}}]", []),
        ("volumes: [{name: v, secret: {secretName: x}}]", ["the Secret x"]),
        (
            "volumes: [{projected: {sources: [{secret: {name: x}}, {configMap: {name: y}}]}}]",
            ["the ConfigMap y", "the Secret x"],
        ),
        ("volumes: [{persistentVolumeClaim: {claimName: x}}]", ["the PersistentVolumeClaim x"]),
        ("driver: {env: [{name: A, valueFrom: {secretKeyRef: {name: x, key: k}}}]}", ["the Secret x"]),
        ("driver: {envFrom: [{configMapRef: {name: x}}, {secretRef: {name: y}}]}", ["the ConfigMap x", "the Secret y"]),
        (
            "driver: {configMaps: [{name: x, path: /a}], secrets: [{name: y, path: /b}]}",
            ["the ConfigMap x", "the Secret y"],
        ),
        ("driver: {envSecretKeyRefs: {A: {name: x, key: k}}}", ["the Secret x"]),
        ("hadoopConfigMap: x", ["the ConfigMap x"]),
        ("sparkConf: {spark.kubernetes.driver.secrets.x: /etc/x}", ["the Secret x"]),
        ("sparkConf: {'spark.kubernetes.executor.secretKeyRef.A': 'x:k'}", ["the Secret x"]),
        (
            "sparkConf: {spark.kubernetes.executor.volumes.persistentVolumeClaim.d.options.claimName: OnDemand}",
            [],
        ),
        ("imagePullSecrets: [x]", []),
    ],
)
def test_what_an_application_needs_is_read_wherever_it_is_named(spec: str, expected: list[str]) -> None:
    assert sorted(map(str, needs(yaml.safe_load(spec)))) == expected
