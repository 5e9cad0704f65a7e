# SPDX-License-Identifier: Apache-2.0
"""An application is moved everywhere, or what stays behind is named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from harness.apps import moving

APP = """
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: etl, namespace: team-a}
spec:
  nodeSelector: {kubernetes.io/os: linux}
  batchScheduler: volcano
  batchSchedulerOptions: {queue: default}
  sparkConf:
    spark.kubernetes.namespace: team-a
    spark.kubernetes.authenticate.driver.serviceAccountName: team-a
    spark.kubernetes.authenticate.executor.serviceAccountName: team-a
    spark.kubernetes.executor.node.selector.pool: spot
    spark.kubernetes.node.selector.kubernetes.io/os: linux
    spark.kubernetes.driver.pod.name: etl-pod
    spark.kubernetes.scheduler.name: yunikorn
    spark.hadoop.fs.s3a.endpoint: http://minio.team-a.svc.cluster.local:9000
    spark.ui.enabled: "false"
  driver:
    serviceAccount: team-a
    nodeSelector: {NodeGroupType: SparkComputeOptimized}
    tolerations: [{key: spot, operator: Exists}]
    priorityClassName: high
    template:
      spec:
        serviceAccountName: team-a
        schedulerName: yunikorn
        containers: [{name: spark-kubernetes-driver}]
  executor:
    serviceAccount: team-a
    affinity:
      nodeAffinity:
        requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}
        preferredDuringSchedulingIgnoredDuringExecution: []
"""


def settled(text: str = APP) -> tuple[dict[str, Any], list[str]]:
    made = moving.moved(yaml.safe_load(text), "user-apps", "etl")
    return made, moving.settle(made, "spark-jobs", "20m")


def test_accounts_and_namespaces_are_moved_everywhere() -> None:
    made, _ = settled()
    spec = made["spec"]
    assert made["metadata"]["namespace"] == "user-apps"
    assert spec["sparkConf"]["spark.kubernetes.namespace"] == "user-apps", "2.5.2 refuses any other"
    assert (spec["driver"]["serviceAccount"], spec["executor"]["serviceAccount"]) == ("spark-jobs", "spark-jobs")
    assert "serviceAccountName" not in spec["driver"]["template"]["spec"]
    assert "team-a" not in str({**spec, "sparkConf": {**spec["sparkConf"], "spark.hadoop.fs.s3a.endpoint": ""}})


def test_an_executor_without_an_account_keeps_having_none() -> None:
    made, _ = settled(APP.replace("  executor:\n    serviceAccount: team-a\n", "  executor:\n"))
    assert "serviceAccount" not in made["spec"]["executor"], "Spark takes the driver's"


def test_what_no_node_here_has_is_left_out_and_named() -> None:
    made, left_out = settled()
    spec = made["spec"]
    assert left_out == [
        "batchScheduler volcano",
        "batchSchedulerOptions",
        "driver.nodeSelector NodeGroupType=SparkComputeOptimized",
        "driver.priorityClassName high",
        "executor.affinity.nodeAffinity",
        "driver.template.spec.schedulerName yunikorn",
        "sparkConf spark.kubernetes.executor.node.selector.pool=spot",
        "sparkConf spark.kubernetes.driver.pod.name=etl-pod",
        "sparkConf spark.kubernetes.scheduler.name=yunikorn",
    ]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert spec["driver"]["nodeSelector"] == {}
    assert spec["driver"]["tolerations"], "what tolerates more does no harm"
    assert set(spec["sparkConf"]) == {
        "spark.kubernetes.namespace",
        "spark.kubernetes.node.selector.kubernetes.io/os",
        "spark.hadoop.fs.s3a.endpoint",
        "spark.ui.enabled",
    }


def test_what_only_several_nodes_or_zones_can_hold_is_left_out_and_named() -> None:
    spread = (
        "        topologySpreadConstraints:\n"
        "          - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}\n"
        "          - {maxSkew: 1, topologyKey: topology.kubernetes.io/region}\n"
        "          - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}\n"
        "          - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule}\n"
        "          - {maxSkew: 1, topologyKey: kubernetes.io/hostname, minDomains: 3}\n"
        "        affinity:\n"
        "          podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}\n"
    )
    keys = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region", "kubernetes.io/hostname")
    made, left_out = settled(APP.replace("        schedulerName: yunikorn\n", spread))
    pod = made["spec"]["driver"]["template"]["spec"]
    assert [
        (it["topologyKey"].rpartition("/")[2], it["whenUnsatisfiable"]) for it in pod["topologySpreadConstraints"]
    ] == [
        ("zone", "ScheduleAnyway"),
        ("hostname", "DoNotSchedule"),
    ]
    assert pod["affinity"] == {"podAntiAffinity": {}}
    assert [it for it in left_out if it.startswith("driver.template")] == [
        "driver.template.spec.affinity.podAntiAffinity",
        f"driver.template.spec.topologySpreadConstraints {', '.join(keys)}",
    ]


def test_what_volcano_and_another_api_server_are_needed_for_is_left_out_and_no_token_is_told() -> None:
    steps = "org.apache.spark.deploy.k8s.features.VolcanoFeatureStep"
    made, left_out = settled(
        APP.replace(
            '    spark.ui.enabled: "false"\n',
            "    spark.kubernetes.scheduler.volcano.podGroupTemplateFile: /opt/group.yaml\n"
            f"    spark.kubernetes.driver.pod.featureSteps: {steps}\n"
            f"    spark.kubernetes.executor.pod.featureSteps: org.acme.Step,{steps}\n"
            "    spark.kubernetes.driver.master: https://10.0.0.1:6443\n"
            "    spark.kubernetes.authenticate.driver.oauthToken: hush\n",
        )
    )
    conf = made["spec"]["sparkConf"]
    assert conf["spark.kubernetes.executor.pod.featureSteps"] == "org.acme.Step"
    assert [it for it in left_out if "volcano." in it or "Steps" in it or "master" in it or "oauth" in it] == [
        "sparkConf spark.kubernetes.scheduler.volcano.podGroupTemplateFile",
        f"sparkConf spark.kubernetes.driver.pod.featureSteps={steps}",
        f"sparkConf spark.kubernetes.executor.pod.featureSteps=org.acme.Step,{steps}",
        "sparkConf spark.kubernetes.driver.master",
        "sparkConf spark.kubernetes.authenticate.driver.oauthToken",
    ]
    assert not {it.removeprefix("sparkConf ").partition("=")[0] for it in left_out} & conf.keys() - {
        "spark.kubernetes.executor.pod.featureSteps"
    }


def test_a_node_and_a_runtime_class_of_a_template_are_left_out() -> None:
    made, left_out = settled(
        APP.replace(
            "        schedulerName: yunikorn\n",
            "        nodeName: node-7\n        runtimeClassName: gvisor\n        priority: 1000\n",
        )
    )
    assert set(made["spec"]["driver"]["template"]["spec"]) == {"containers"}
    of_template = {it for it in left_out if it.startswith("driver.template")}
    assert of_template == {
        f"driver.template.spec.{it}" for it in ("nodeName node-7", "runtimeClassName gvisor", "priority 1000")
    }


def test_the_copy_of_a_schedules_run_is_no_run_of_it() -> None:
    """Else it is taken for one: by the schedule, whose history it is deleted with, and by whoever looks for it."""
    run = yaml.safe_load(APP)
    run["metadata"]["labels"] = {"team": "a", "sparkoperator.k8s.io/scheduled-app-name": "nightly"}
    assert moving.moved(run, "user-apps", "etl")["metadata"]["labels"] == {"team": "a"}


def test_addresses_of_its_own_cluster_are_named() -> None:
    assert moving.homes(yaml.safe_load(APP)) == ["minio.team-a.svc.cluster.local:9000"]
    assert moving.homes({"metadata": {"name": "etl"}, "spec": {"a": "minio.team-a.svc"}}) == []


def test_a_schedule_is_moved_in_its_template() -> None:
    made, left_out = settled(
        "kind: ScheduledSparkApplication\nmetadata: {name: nightly}\n"
        "spec: {schedule: '@daily', template: {nodeSelector: {pool: spot}, driver: {serviceAccount: it}}}\n"
    )
    template = made["spec"]["template"]
    assert (template["nodeSelector"], template["driver"]["serviceAccount"]) == ({}, "spark-jobs")
    assert left_out == ["nodeSelector pool=spot"]


def test_a_connect_server_is_moved_in_its_templates() -> None:
    made, left_out = settled(
        "kind: SparkConnect\nmetadata: {name: it}\n"
        "spec:\n  image: apache/spark:4.0.4\n"
        "  server: {template: {spec: {serviceAccount: mine, containers: [{resources: {requests: {cpu: 1}}}]}}}\n"
        "  executor: {template: {spec: {serviceAccountName: mine, nodeSelector: {pool: spot}}}}\n"
    )
    spec = made["spec"]
    server = spec["server"]["template"]["spec"]
    assert (server["serviceAccountName"], "serviceAccount" in server) == ("spark-jobs", False)
    assert server["containers"][0]["resources"]["requests"]["cpu"] == "20m"
    assert spec["executor"]["template"]["spec"] == {"nodeSelector": {}}
    assert left_out == ["executor.template.spec.nodeSelector pool=spot"]


@pytest.mark.parametrize("role", ["driver", "executor"])
def test_processors_are_asked_for_like_a_samples(role: str) -> None:
    made, _ = settled()
    assert made["spec"][role]["coreRequest"] == "20m"


def test_a_server_whose_template_leaves_its_containers_empty_gets_one() -> None:
    made, _ = settled(
        "apiVersion: sparkoperator.k8s.io/v1alpha1\nkind: SparkConnect\nmetadata: {name: it}\n"
        "spec:\n  image: apache/spark:4.0.4\n  server: {template: {spec: {containers: }}}\n"
    )
    assert [it["image"] for it in made["spec"]["server"]["template"]["spec"]["containers"]] == ["apache/spark:4.0.4"]
