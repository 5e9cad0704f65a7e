# SPDX-License-Identifier: Apache-2.0
"""Reading a user's own applications from a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from user_samples import CONFIG_MAP, CONNECT, PI, SCHEDULE, apps_of, written

from harness.apps import user_folder, users
from harness.errors import UsageError


def test_all_documents_below_the_folder_are_read_with_their_places(tmp_path: Path) -> None:
    folder = written(tmp_path, batch__etl=f"{PI}---\n{SCHEDULE}", connect=f"---\n{CONFIG_MAP}---\n{CONNECT}")

    found = user_folder.read(folder).manifests

    assert [(it.kind, it.name, it.where) for it in found] == [
        ("SparkApplication", "etl", "batch/etl.yaml:1"),
        ("ScheduledSparkApplication", "nightly", "batch/etl.yaml:21"),
        ("ConfigMap", "settings", "connect.yaml:2"),
        ("SparkConnect", "notebooks", "connect.yaml:7"),
    ]
    assert [it.name for it in users.applications(found)] == ["etl", "nightly", "notebooks"]


def test_kinds_that_nobody_runs_are_left_out_by_name(tmp_path: Path) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\n"
    kustomize = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    folder = user_folder.read(written(tmp_path, etl=f"{role}---\n{PI}", kustomization=kustomize))
    assert [it.name for it in folder.manifests] == ["etl"]
    assert list(map(str, folder.left_out)) == [
        "etl.yaml:1: Role reader is left out: no run needs or tries this kind",
        "kustomization.yaml:1: Kustomization is left out: no run needs or tries this kind",
    ]


def test_files_that_are_no_manifests_are_left_out_with_what_they_are(tmp_path: Path) -> None:
    folder = written(
        tmp_path, app=PI, kustomization="images: []\n", Chart="apiVersion: v2\n", values="a: 1\n", tasks="[a]\n"
    )
    read = user_folder.read(folder)
    assert [it.name for it in read.manifests] == ["etl"]
    assert list(map(str, read.left_out)) == [
        f"Chart.yaml:1: what has no kind is left out: {user_folder.NO_MANIFEST['Chart']}",
        f"kustomization.yaml:1: what has no kind is left out: {user_folder.NO_MANIFEST['kustomization']}",
        "tasks.yaml:1: what has no kind is left out: it is no manifest",
        "values.yaml:1: what has no kind is left out: it is no manifest",
    ]


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("spark.apache.org/v1", "SparkApplication"),
        ("spark.stackable.tech/v1alpha1", "SparkApplication"),
        ("bitnami.com/v1alpha1", "SealedSecret"),
        ("external-secrets.io/v1", "ExternalSecret"),
    ],
)
def test_what_others_call_alike_is_left_out_by_name(tmp_path: Path, version: str, kind: str) -> None:
    other = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: it}}\n"
    folder = user_folder.read(written(tmp_path, app=PI, other=other))
    assert [it.name for it in folder.manifests] == ["etl"]
    group = version.partition("/")[0]
    assert str(folder.left_out[0]).startswith(f"other.yaml:1: {kind} it of {group} is left out")


def test_a_misspelt_group_is_no_other_operators(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has the apiVersion spark-operator.k8s.io/v1beta2") as wrong:
        apps_of(tmp_path, etl=PI.replace("sparkoperator.k8s.io", "spark-operator.k8s.io"))
    assert wrong.value.next_step == "write sparkoperator.k8s.io/v1beta2"


def test_manifests_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "etl.json").write_text(json.dumps(yaml.safe_load(PI)))
    (tmp_path / "package.json").write_text('{"name": "etl", "version": "1.0.0"}')
    assert [(it.name, it.where) for it in user_folder.read(tmp_path).manifests] == [("etl", "etl.json:1")]


@pytest.mark.parametrize("kind", ["List", "SparkApplicationList"])
def test_a_list_as_kubectl_prints_it_is_its_items(tmp_path: Path, kind: str) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
    listed = {"apiVersion": "v1", "items": [yaml.safe_load(PI), role], "kind": kind, "metadata": {}}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(listed, sort_keys=False))
    folder = user_folder.read(tmp_path)
    assert [(it.name, it.where) for it in folder.manifests] == [("etl", "all.yaml:3")]
    assert [str(it).partition(" is left out")[0] for it in folder.left_out] == ["all.yaml:26: Role r"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mkdocs.yaml", "format: !!python/name:x.y\n"),
        ("bucket.yaml", "Resources: {B: {Properties: {BucketName: !Ref Name}}}\n"),
        ("rows.json", '{"a": 1}\n{"a": 2}\n'),
    ],
)
def test_what_is_no_yaml_and_speaks_of_no_kind_of_ours_is_left_out(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    folder = user_folder.read(written(tmp_path, etl=PI))
    assert [it.name for it in folder.manifests] == ["etl"]
    assert "the file is left out: it is not valid YAML" in str(folder.left_out[0])


def test_a_broken_secret_is_told_and_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"settings.yaml:4: not valid YAML"):
        user_folder.read(written(tmp_path, etl=PI, settings="apiVersion: v1\nkind: Secret\ndata: [\n"))


def test_what_is_still_to_be_filled_in_is_left_out_beside_others(tmp_path: Path) -> None:
    unfilled = PI.replace("docker.io/apache/spark:4.0.4", "{IMAGE_REGISTRY}/{IMAGE}/docker.io/apache/spark:4.0.4")
    folder = user_folder.read(written(tmp_path, etl=PI, template=unfilled))
    assert [it.where for it in folder.manifests] == ["etl.yaml:1"]
    (untried,) = folder.left_out
    assert untried.application
    assert str(untried).startswith("template.yaml:14: what follows in the file is left out: not valid YAML")


def test_what_an_application_needs_is_no_label_and_may_have_a_long_name(tmp_path: Path) -> None:
    long = CONFIG_MAP.replace("settings", "s" * 90)
    assert [it.kind for it in apps_of(tmp_path, etl=f"{PI}\n---\n{long}")] == [
        "SparkApplication",
        "ConfigMap",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: sparkoperator.k8s.io/v1beta2\na: [1\nb: 2\n", r"etl.yaml:3: not valid YAML"),
        ("a: [1\nb: 2\n", r"no application in the files .*etl.yaml:2: the file is left out: it is not valid YAML"),
        ("metadata: {{ .Values.x }}\n", r"etl.yaml:1: .*"),
        (
            "- a\n",
            r"there is no application in the files .*etl.yaml:1: what has no kind is left out: it is no manifest",
        ),
        (
            PI.replace("SparkApplication", "SparkAplication"),
            r"yaml:1: the kind SparkAplication .*SparkApplication\?",
        ),
        (CONFIG_MAP + "---\napiVersion: v1\nkind: Secret\n", r"etl.yaml:6: this Secret has no metadata.name"),
        (f"apiVersion: v1\nkind: List\nitems: {{}}\n---\n{PI}", r"etl.yaml:1: this List has no list of items"),
        ("apiVersion: v1\nkind: List\nitems: []\n", r"there is no application in the files"),
        (
            PI.replace("docker.io/apache/spark:4.0.4", '"${SPARK_IMAGE}"'),
            r"the image '\$\{SPARK_IMAGE\}' is a template",
        ),
        (PI.replace("name: etl", "name: '{{ .Release.Name }}-etl'"), r"the name .* is a template"),
        (
            PI.replace("name: etl", "name: etl-{run_id}"),
            r"the name 'etl-\{run_id\}' of this SparkApplication is a template",
        ),
        (PI.replace("name: etl", "name: etl-%s"), r"the name 'etl-%s' of this SparkApplication is a template"),
        (f"{{# of all teams #}}\n{PI}", r"it looks like a template"),
        (f"kind: Role\napiVersion: v1\n---\n{CONFIG_MAP}", r"there is no application in the files"),
        ("apiVersion: v1\n", r"etl.yaml:1: the kind is missing and is not one"),
        (PI.replace("v1beta2", "v1beta1"), r"has the apiVersion sparkoperator.k8s.io/v1beta1"),
        (PI.replace("  name: etl\n", "  generateName: etl-\n"), r"has no metadata.name"),
        (PI.replace("name: etl", "name: My_App"), r"'My_App' cannot be the name"),
        (PI.replace("name: etl", "name: off"), r"metadata.name of this SparkApplication is false, which is not text"),
        (PI.replace("name: etl", "name: 2024"), r"metadata.name of this SparkApplication is 2024, which is not text"),
        (f"{PI}---\n" + CONFIG_MAP.replace('{a: "1"}', "[a]"), r"ConfigMap settings.data is not a mapping"),
        (
            f"{PI}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: text\n",
            r"Secret s.stringData is not a mapping",
        ),
        (PI.replace("  image: docker.io/apache/spark:4.0.4\n", ""), r"SparkApplication etl names no image"),
        (PI.replace("apache/spark:4.0.4", "Apache/Spark:4.0.4"), r"SparkApplication etl: .*Apache/Spark"),
        (f"{PI}---\n{PI}", r"etl.yaml:21 and etl.yaml:1 both have a SparkApplication with the name etl"),
        (CONFIG_MAP, r"there is no application in the files"),
        (
            PI.replace("  mode: cluster", "  sparkConf: {spark.cores.max: 2}"),
            r"sparkConf.spark.cores.max is 2, which is",
        ),
        (PI.replace("  mode: cluster", "  arguments: [10]"), r"etl: spec.arguments\[0\] is 10, which is not text"),
        (PI.replace("{instances: 1}", "{envVars: {DEBUG: yes}}"), r"spec.executor.envVars.DEBUG is true, which is not"),
        (f"{PI}---\n" + CONFIG_MAP.replace('{a: "1"}', "{a: 1}"), r"ConfigMap settings.data.a is not text"),
        (PI.replace("  mode: cluster", "  nodeSelector: [disk, ssd]"), r"etl: spec.nodeSelector is not a mapping"),
        (PI.replace("{instances: 1}", "{nodeSelector: [a]}"), r"etl: spec.executor.nodeSelector is not a mapping"),
        (PI.replace("{instances: 1}", "{template: {spec: pod}}"), r"etl: spec.executor.template.spec is not a mapping"),
        (
            f"{CONNECT}  server: {{template: {{spec: {{containers: [spark]}}}}}}\n",
            r"notebooks: spec.server.template.spec.containers is not a list of mappings",
        ),
        (
            SCHEDULE.replace("    type: Python", "    nodeSelector: [a]"),
            r"nightly: spec.template.nodeSelector is not a mapping",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        apps_of(tmp_path, etl=text)
    assert error.value.next_step


def test_a_folder_without_files_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        user_folder.read(tmp_path / "none")
    (tmp_path / "etl.txt").write_text("{}")
    with pytest.raises(UsageError, match="is not a folder"):
        user_folder.read(tmp_path / "etl.txt")
    with pytest.raises(UsageError, match="there is no manifest"):
        user_folder.read(tmp_path)


KUSTOMIZATION = "resources: [app.yaml]\npatches: [{path: ../patch.yaml}, {patch: '- op: remove\n  path: /a'}]\n"
PATCH = PI[: PI.index("spec:")] + "spec: {executor: {instances: 5}}\n"
IN_A_FILE = PI.replace("  uid: 0b5a\n", "")


def test_a_patch_of_kustomize_is_left_out_by_name(tmp_path: Path) -> None:
    folder = user_folder.read(written(tmp_path, base__app=PI, base__kustomization=KUSTOMIZATION, patch=PATCH))

    assert [it.name for it in folder.manifests] == ["etl"]
    left_out = "\n".join(map(str, folder.left_out))
    assert "patch.yaml: the file is left out: it is a patch of Kustomize" in left_out
    with pytest.raises(UsageError, match="names no image"):
        user_folder.read(written(tmp_path / "without", base__app=PI, patch=PATCH))


def test_an_application_that_airflow_fills_in_is_left_out_by_name(tmp_path: Path) -> None:
    unfilled = IN_A_FILE.replace("  mode: cluster\n", "  arguments: ['--date', '{{ ds }}']\n")
    kept = IN_A_FILE.replace(
        "  mode: cluster\n",
        "  driverIngressOptions: [{servicePort: 4040, ingressURLFormat: '{{$appName}}.acme.io'}]\n"
        "  sparkConf: {spark.executor.extraJavaOptions: '-Did={{EXECUTOR_ID}}'}\n",
    )

    folder = user_folder.read(written(tmp_path, daily=unfilled.replace("name: etl", "name: daily"), kept=kept))

    assert [it.name for it in folder.manifests] == ["etl"]
    assert "'{{ ds }}' is a template" in str(folder.left_out[0])


def test_what_was_in_a_cluster_is_filled_in(tmp_path: Path) -> None:
    text = PI.replace("  mode: cluster\n", "  arguments: ['{{ ds }}']\n")
    rehearsed = text.replace("  uid: 0b5a\n", "").replace(
        "  annotations:\n", f"  annotations:\n    {users.KEPT_NAMESPACE}: own\n"
    )
    assert "uid" not in rehearsed
    for number, it in enumerate((text, rehearsed)):
        assert [it.name for it in apps_of(tmp_path / str(number), etl=it)] == ["etl"]


def test_what_is_encrypted_is_refused_with_the_command_that_opens_it(tmp_path: Path) -> None:
    folder = written(tmp_path, etl=PI + "sops: {mac: x, version: 3.9.0, lastmodified: y}\n")
    with pytest.raises(UsageError, match="is encrypted with sops") as told:
        user_folder.read(folder)
    assert told.value.next_step.endswith(f"`sops --decrypt {folder / 'etl.yaml'} > plain.yaml`")


@pytest.mark.parametrize(
    ("old", "new", "placeholder"),
    [
        ("local:///opt/spark/examples/src/main/python/pi.py", "s3a://${BUCKET}/pi.py", "s3a://${BUCKET}/pi.py"),
        ("local:///opt/spark/examples/src/main/python/pi.py", "s3a://<bucket>/pi.py", "s3a://<bucket>/pi.py"),
        ("mode: cluster", "deps: {packages: ['com.acme:etl:${project_version}']}", "com.acme:etl:${project_version}"),
        ("serviceAccount: production", "memory: '${DRIVER_MEMORY}'", "${DRIVER_MEMORY}"),
        ("{instances: 1}", "{memory: '${MEMORY:=2g}'}", "${MEMORY:=2g}"),
        ("name: etl", "name: '#{app}#'", "#{app}#"),
        ("name: etl", "name: __APP_NAME__", "__APP_NAME__"),
        ("apache/spark:4.0.4", "@REGISTRY@/spark:4.0.4", "@REGISTRY@"),
    ],
)
def test_a_variable_where_nothing_fills_one_in_is_told_before_anything_runs(
    tmp_path: Path, old: str, new: str, placeholder: str
) -> None:
    unfilled = IN_A_FILE.replace(old, new)
    folder = user_folder.read(written(tmp_path, both=f"{unfilled}---\n{CONNECT}"))

    assert [it.name for it in folder.manifests] == ["notebooks"], "what follows in the file runs"
    (untried,) = folder.left_out
    assert untried.where == "both.yaml:1"
    assert placeholder in untried.why
    assert "is a template" in untried.why


def test_a_variable_that_a_program_may_fill_in_itself_is_told_and_runs(tmp_path: Path) -> None:
    given = """\
  arguments: ['--in', 's3a://${BUCKET}/in', '--out', 's3a://{env}-lake/out', 'SELECT $id']
  sparkConf:
    spark.app.home: '${env:SPARK_HOME}'
    spark.eventLog.dir: ${spark.local.dir}/events
    spark.driver.extraJavaOptions: -Dteam=${TEAM}
  monitoring: {prometheus: {jmxExporterJar: a.jar, configuration: 'name: ${x}_$1'}}
"""
    (app,) = apps_of(tmp_path, etl=IN_A_FILE.replace("  mode: cluster\n", given))
    assert app.gaps == ["${BUCKET} in arguments", "{env} in arguments", "${TEAM} in sparkConf"]
    (kept,) = apps_of(tmp_path / "from-a-cluster", etl=PI.replace("  mode: cluster\n", given))
    assert kept.gaps == [], "in a cluster nothing is filled in any more"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  mode: cluster\n", "  mode: cluster\n  mode: client\n", r"etl.yaml:13: the key mode stands in line 12"),
        ("{instances: 1}", "{instances: 1, instances: 2}", r"etl.yaml:17: the key instances stands in line 17"),
    ],
)
def test_a_key_that_is_written_twice_is_told_with_its_lines(tmp_path: Path, old: str, new: str, said: str) -> None:
    values = "a: 1\na: 2\n"
    assert apps_of(tmp_path, etl=PI, values=values), "of what is no manifest nobody cares"
    with pytest.raises(UsageError, match=said) as error:
        apps_of(tmp_path, etl=PI.replace(old, new))
    assert error.value.next_step.startswith("write it once")


def test_what_a_merge_brings_is_not_written_twice(tmp_path: Path) -> None:
    merged = IN_A_FILE.replace(
        "  driver: {cores: 1, serviceAccount: production}\n  executor: {instances: 1}\n",
        "  driver: &pod {cores: 1, labels: {a: b}}\n  executor: {<<: *pod, labels: {c: d}}\n",
    )
    (app,) = apps_of(tmp_path, etl=merged)
    assert app.spec["executor"] == {"cores": 1, "labels": {"c": "d"}}


def test_each_file_is_read_once_and_what_is_passed_over_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "apps", team__etl=PI)
    elsewhere = written(tmp_path / "elsewhere", other=CONNECT)
    (folder / "a.yaml").symlink_to("team/etl.yaml")
    (folder / "gone.yaml").symlink_to("nowhere.yaml")
    (folder / "shared").symlink_to(elsewhere)
    written(folder / ".cache", etl=PI)
    (folder / "team" / "._etl.yaml").write_bytes(b"\x00\x05\x16\x07\xff")

    read = user_folder.read(folder)

    assert [it.where for it in read.manifests] == ["a.yaml:1"]
    assert [str(it).split("; ")[0] for it in read.left_out] == [
        "gone.yaml: the file is left out: it is a link that leads nowhere",
        "shared: the folder is left out: it is a link to a folder, and these are not followed",
        ".cache/etl.yaml: the file is left out: it is hidden",
        "team/._etl.yaml: the file is left out: it is hidden",
        "team/etl.yaml: the link is left out: it is the same file as a.yaml",
    ]


def test_objects_of_json_may_follow_one_another(tmp_path: Path) -> None:
    """As kubectl reads them: its decoder takes a stream."""
    apps = [yaml.safe_load(it) for it in (PI, CONNECT)]
    (tmp_path / "lines.json").write_text("".join(f"{json.dumps(it)}\n" for it in apps))
    (tmp_path / "indented.json").write_text("\n".join(json.dumps(it, indent=2) for it in apps))
    found = user_folder.read(tmp_path).manifests
    assert [(it.name, it.file, it.line > 1) for it in found] == [
        ("etl", "indented.json", False),
        ("notebooks", "indented.json", True),
        ("etl", "lines.json", False),
        ("notebooks", "lines.json", True),
    ]


def test_a_list_may_have_lists(tmp_path: Path) -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(PI)]}
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [inner]}))
    assert [it.name for it in user_folder.read(tmp_path).manifests] == ["etl"]


def test_a_label_that_is_still_to_be_filled_in_is_a_template(tmp_path: Path) -> None:
    unfilled = IN_A_FILE.replace("  annotations:", "  labels: {team: '${TEAM}'}\n  annotations:")
    with pytest.raises(UsageError, match=r"'\$\{TEAM\}' is a template"):
        apps_of(tmp_path, etl=unfilled)
