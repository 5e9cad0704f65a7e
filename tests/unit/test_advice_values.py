# SPDX-License-Identifier: Apache-2.0
"""What is said of values as people write them: upstream's names, keys of old charts, and kinds that nobody takes."""

from __future__ import annotations

import re

import pytest
import yaml
from advice_samples import CATALOGUE, HOMES

from harness.advice import images, values
from harness.advice.remarks import End
from harness.matrix import chart_facts
from harness.releases.value_kinds import refused
from harness.releases.values import at

RIGHT = "remove image.registry and image.repository from the values: 2.5.2 is published as"


def end(name: str) -> End:
    release = CATALOGUE.release(name)
    return End(name=name, release=release, defaults=chart_facts.values(release.version), chart="the chart")


def said(text: str, origin: str = "2.4.0") -> str:
    """Each sentence on a line with its step; not those about defaults that moved."""
    found = values.remarks(yaml.safe_load(text), end(origin), end("2.5.2"), CATALOGUE.upgrades, HOMES)
    lines = [f"{'stops: ' if it.stops else ''}{it.sentence.text} -> {it.step}" for it in found]
    return "\n".join(it for it in lines if "moved from" not in it)


@pytest.mark.parametrize(
    ("registry", "repository", "why"),
    [
        ("ghcr.io", "kubeflow/spark-operator", "is a repository of docker.io, not of ghcr.io"),
        ("docker.io/kubeflow", "spark-operator", "the last version in docker.io/kubeflow/spark-operator is 2.1.1"),
        (
            "index.docker.io",
            "kubeflow/spark-operator",
            "the last version in docker.io/kubeflow/spark-operator is 2.1.1",
        ),
        ("gcr.io", "spark-operator/spark-operator", "upstream left gcr.io/spark-operator/spark-operator"),
        ("ghcr.io", "googlecloudplatform/spark-operator", "its images cannot be pulled any more"),
        ("ghcr.io", "kubeflow/spark-operator/operator", "upstream has no package"),
    ],
)
def test_nobody_is_told_to_push_to_upstream(registry: str, repository: str, why: str) -> None:
    found = said(f"image: {{registry: {registry}, repository: {repository}}}")
    assert why in found
    assert RIGHT in found
    assert "registry copy" not in found


@pytest.mark.parametrize("text", ["{registry: null}", "{repository: null}", "{registry: docker.io/, repository: /a}"])
def test_what_makes_no_name_is_no_copy_to_make(text: str) -> None:
    found = said(f"image: {text}")
    assert "stops: image." in found
    assert "which is not the name of an image" in found


def test_upstreams_host_in_the_repository_is_no_registry_to_move_to() -> None:
    found = said("image: {repository: docker.io/kubeflow/spark-operator}")
    assert "-> remove image.repository from the values" in found
    assert "image.registry to docker.io" not in found
    assert "-> write registry: acme.io" in said("image: {repository: acme.io/spark}")


@pytest.mark.parametrize(("tag", "step"), [("v2.5.2", ", or write 2.5.2"), ("v2.1.1", ""), ("v2.4.0", "")])
def test_a_tag_with_v_becomes_no_older_release(tag: str, step: str) -> None:
    assert f"-> remove image.tag from the values{step}\n" in f"{said(f'image: {{tag: {tag}}}')}\n"


def test_a_name_that_is_filled_in_elsewhere_is_not_judged() -> None:
    found = said('image: {registry: "${REGISTRY}"}')
    assert "is filled in elsewhere" in found
    assert "stops" not in found


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("2.5", "2.5 is not a tag of"),
        ("2.4.7", "upstream never published 2.4.7"),
        ("v2.5.2", "tags are versions without v"),
    ],
)
def test_a_tag_that_was_never_published_is_told(tag: str, why: str) -> None:
    assert why in said(f"image: {{tag: {tag}}}")


def test_flags_that_old_images_lack_are_told_of_old_images_alone() -> None:
    assert "--feature-gates" in said("image: {tag: 2.4.0}")
    assert "--feature-gates" in said("image: {registry: acme.io, tag: ours}")
    assert said("image: {tag: 2.5.2}") == "none of these values needs a change -> "


def test_keys_of_charts_before_2_0_are_told_with_their_names_since() -> None:
    found = said("""
sparkJobNamespaces: [jobs]
imagePullSecrets: [{name: x}]
serviceAccounts: {spark: {name: spark}, sparkoperator: {create: true}}
metrics: {enable: true}
controller: {nodeselector: {a: b}}
resyncInterval: 30
""")
    assert (
        "sparkJobNamespaces is not in the chart of 2.5.2: it has no effect; its name there is spark.jobNamespaces"
        in found
    )
    assert "its name there is image.pullSecrets" in found
    assert "its name there is spark.serviceAccount and controller.serviceAccount" in found
    assert "its name there is prometheus.metrics.enable" in found
    assert "its name there is controller.nodeSelector" in found
    assert "resyncInterval is not in the chart of 2.5.2: it has no effect -> " in found


def test_a_key_that_was_renamed_is_one_of_the_chart() -> None:
    keys = chart_facts.values("2.5.2")
    assert [it.now for it in chart_facts.renamed() if at(keys, it.now) is None] == []


def test_anchors_and_conditions_of_umbrella_charts_are_no_unknown_keys() -> None:
    assert said("x-small: {cpu: 1}") == "none of these values needs a change -> "
    assert (
        said("spark-operator: {enabled: true, controller: {workers: 3}}") == "none of these values needs a change -> "
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: {pullSecrets: [regcred]}", "stops: image.pullSecrets has text (regcred), and Kubernetes takes maps"),
        ("controller: {labels: {a: 1}}", "stops: controller.labels.a is a number, and Kubernetes takes text alone"),
        ("webhook: {annotations: {b.io/scrape: true}}", "stops: webhook.annotations.b.io/scrape is true or false"),
        ("controller: {nodeSelector: {spark: true}}", "stops: controller.nodeSelector.spark is true or false"),
        ("controller: {env: [{name: A, value: 1}]}", "stops: controller.env has a number as the value of A"),
        ("webhook: null", "stops: webhook is null, so that Helm drops the keys below it"),
        ("hook: {upgradeCrd: 'false'}", 'hook.upgradeCrd is the text "false", and a template that asks for it takes'),
        ("spark: {jobNamespaces: jobs}", "stops: spark.jobNamespaces is text, and in the chart of 2.5.2 a list"),
        ("prometheus: {podMonitor: {labels: {release: 1}}}", "stops: prometheus.podMonitor.labels.release is a number"),
        (
            "webhook: {securityContext: {capabilities: {drop: ALL}}}",
            "stops: webhook.securityContext.capabilities.drop is text, and in the chart of 2.5.2 a list",
        ),
        (
            "controller: {podSecurityContext: {runAsUser: '185'}}",
            'stops: controller.podSecurityContext.runAsUser is text ("185"), and Kubernetes takes a whole number',
        ),
        (
            "webhook: {securityContext: {allowPrivilegeEscalation: 'false'}}",
            'stops: webhook.securityContext.allowPrivilegeEscalation is text ("false"), and Kubernetes takes true or',
        ),
        (
            "controller: {tolerations: [{key: a, value: true, tolerationSeconds: '30'}]}",
            "stops: controller.tolerations[0].value is true or false (true), and Kubernetes takes text alone",
        ),
        (
            "controller: {volumes: [{name: tmp, emptyDir: {}}, {name: a, secret: {defaultMode: '0440'}}]}",
            'stops: controller.volumes[1].secret.defaultMode is text ("0440"), and Kubernetes takes a whole number',
        ),
        (
            "webhook: {affinity: {podAffinity: {a: [{labelSelector: {matchLabels: {tier: 1}}}]}}}",
            "stops: webhook.affinity.podAffinity.a[0].labelSelector.matchLabels.tier is a number (1)",
        ),
    ],
)
def test_kinds_that_templates_or_kubernetes_take_otherwise(text: str, words: str) -> None:
    assert words in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "image: {pullSecrets: [{name: regcred}]}",
        "controller: {labels: {a: '1'}, podSecurityContext: null, replicas: '2', env: [{name: A, valueFrom: {}}]}",
        "prometheus: {metrics: {labels: app_type}}",
        "controller: {uiIngress: {annotations: {a: '1'}}}",
        "controller: {podSecurityContext: {fsGroup: 185, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}}",
        "controller: {tolerations: [{key: a, value: 'true', tolerationSeconds: 30}]}",
    ],
)
def test_kinds_that_are_taken_are_not_told(text: str) -> None:
    assert list(refused(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    ("image", "sentence", "step"),
    [
        (
            "{registry: mirror.gcr.io, repository: kubeflow/spark-operator}",
            "mirror.gcr.io is a cache of Docker Hub",
            RIGHT,
        ),
        (
            "{registry: 123456789012.dkr.ecr.us-east-1.amazonaws.com/docker-hub}",
            "by its name it is a pull-through cache of Docker Hub, which does not have it",
            "name a pull-through cache of ghcr.io in image.registry, with kubeflow/spark-operator/controller behind it",
        ),
        (
            "{registry: acme.jfrog.io, repository: docker-remote/kubeflow/spark-operator}",
            "by its name it is a pull-through cache of Docker Hub, which does not have it",
            "or, if this registry takes pushes, copy the image: harness registry copy",
        ),
        (
            "{registry: harbor.acme.io/ghcr-proxy}",
            "a pull-through cache of ghcr.io brings it by itself",
            "see that harbor.acme.io/ghcr-proxy/kubeflow/spark-operator/controller:2.5.2 can be pulled",
        ),
        (
            "{registry: harbor.acme.io, repository: ghcr-proxy/kubeflow/spark-operator}",
            "ghcr.io has no kubeflow/spark-operator:2.5.2, and a cache of it has none",
            "write registry: harbor.acme.io/ghcr-proxy and repository: kubeflow/spark-operator/controller, in place of",
        ),
        ("{registry: europe-docker.pkg.dev/acme/spark}", "copied from ghcr.io", "-> copy the image: "),
        ("{registry: ghcr.io, repository: acme/github/op}", "copied from ghcr.io", "-> copy the image: "),
    ],
)
def test_a_pull_through_cache_has_what_its_upstream_has(image: str, sentence: str, step: str) -> None:
    found = said(f"image: {image}", "2.1.1")
    assert sentence in found
    assert step in found


def test_nobody_can_push_to_a_public_cache() -> None:
    found = said("image: {registry: mirror.gcr.io, repository: acme/op}", "2.1.1")
    assert "mirror.gcr.io is a cache of Docker Hub alone, which does not have it, and nobody can push there" in found
    assert RIGHT in found


def test_the_image_after_the_steps_is_the_one_that_they_name() -> None:
    def after(text: str) -> str:
        return images.judge(yaml.safe_load(text), "image", "", end("2.1.1"), end("2.5.2"), HOMES).after

    right = "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
    assert after("image: {registry: mirror.gcr.io}") == right
    assert after("image: {repository: ghcr.io/kubeflow/spark-operator/controller}") == right
    assert after("image: {registry: acme.io, repository: op, tag: 2.1.1}") == "acme.io/op:2.5.2"
    assert after("image: {registry: acme.io/ghcr, repository: kubeflow/op}") == f"acme.io/ghcr/{right[8:]}"
    assert after("image: {repository: acme.io/op}") == "acme.io/op:2.5.2"
    assert after("image: {registry: '', repository: acme.io/op}") == ""
    assert after("image: {registry: '${HOST}'}") == ""


def test_a_host_in_the_repository_of_ones_own_also_needs_the_image_there() -> None:
    found = said("image: {repository: acme.io/spark/op}", "2.1.1")
    assert "-> write registry: acme.io and repository: spark/op, in place of image.repository" in found
    assert "controller:2.5.2 acme.io/spark/op:2.5.2" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: docker.io/kubeflow/spark-operator:2.1.1", "write image as a map, or remove it from the values"),
        ("controller: {featureGates: {PartialRestart: true}}", "stops: controller.featureGates is a map, and in"),
        ("webhook: {enable: null}", "webhook.enable is null, so that Helm drops the true of the chart"),
        ("controller: {replicas: null}", "controller.replicas is null, so that Helm drops the 1 of the chart"),
        (
            "controller: {workers: null}",
            "stops: controller.workers is null, so that the templates of the chart of 2.5.2",
        ),
        ("global: {imageRegistry: acme.io}", "global.imageRegistry has no effect on the operator"),
        ("spark-operator: {enabled: false, image: {tag: v1}}\nother: {a: 1}", "spark-operator.enabled is false: where"),
    ],
)
def test_nulls_maps_and_what_is_switched_off(text: str, words: str) -> None:
    assert words in said(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image: {registery: a}", "did you mean image.registry?"),
        ("image: {repo: a}", "did you mean image.repository?"),
        ("controller: {replica: 2}", "did you mean controller.replicas?"),
        ("controller: {service_account: {name: a}}", "its name there is controller.serviceAccount"),
        ("webhook: {podAnnotations: {a: b}}", "its name there is webhook.annotations"),
        ("controller: {imagePullSecrets: [{name: a}]}", "its name there is image.pullSecrets"),
        ("prometheus: {podMonitor: {enable: true}}", "its name there is prometheus.podMonitor.create"),
        (
            "webhook: {initAnnotations: {a: b}}",
            "initAnnotations is not in the chart of 2.5.2: it has no effect ->",
        ),
    ],
)
def test_a_key_that_was_misspelt_is_told_with_the_likely_one(text: str, words: str) -> None:
    found = said(text)
    assert words in found
    assert found.endswith("-> "), "it had no effect before, either"


def test_keys_that_acted_before_2_0_have_steps() -> None:
    given = yaml.safe_load("""
sparkJobNamespace: jobs
ingressUrlFormat: "{{$appName}}.acme.io"
rbac: {createRole: false, createClusterRole: true}
priorityClassName: high
podDisruptionBudget: {enable: true}
""")
    found = values.remarks(given, End(name="1.2.15"), end("2.5.2"), CATALOGUE.upgrades, HOMES)
    assert [it.step for it in found if it.step][:5] == [
        "write sparkJobNamespace as spark.jobNamespaces, a list",
        "write ingressUrlFormat as controller.uiIngress.urlFormat, with controller.uiIngress.enable: true",
        "write rbac.createRole as spark.rbac.create, rbac.createClusterRole as controller.rbac.create",
        "write priorityClassName as controller.priorityClassName",
        "write podDisruptionBudget.enable as controller.podDisruptionBudget.enable",
    ]


@pytest.mark.parametrize(
    ("image", "step"),
    [
        ("{registry: 'https://acme.io', repository: op}", "write registry: acme.io and repository: op, in place of"),
        ("{registry: acme.io/, repository: Team/Op}", "write registry: acme.io and repository: team/op, in place of"),
        ("{registry: acme.io, repository: 'op@sha256:aa'}", "controller:2.5.2 acme.io/op:2.5.2"),
        ("{registry: acme.io, repository: op, tag: v2.4.0-ours}", "image.tag keeps the image at v2.4.0-ours"),
        ("{tag: '${TAG}'}", "see what fills in image.tag, or remove image.tag from the values"),
    ],
)
def test_what_a_name_was_meant_to_be(image: str, step: str) -> None:
    assert step in said(f"image: {image}")


def test_the_hooks_image_has_keys_of_its_own() -> None:
    moved = "see that the cluster can pull ghcr.io/kubeflow/spark-operator/kubectl:2.5.2, or bring it to acme.io"
    assert moved in said("{hook: {upgradeCrd: true}, image: {registry: acme.io}}")
    assert moved not in said("{hook: {upgradeCrd: false}, image: {registry: acme.io}}")
    assert moved not in said("{hook: {upgradeCrd: true, image: {registry: acme.io}}, image: {registry: acme.io}}")
    other = "{hook: {upgradeCrd: true, image: {registry: docker.io, repository: bitnami/kubectl}}}"
    assert "so that no other kubectl will do -> remove hook.image.registry and" in said(other)
    assert (
        "nothing pulls it as long as hook.upgradeCrd is off -> \n" in said(other.replace("true", "false") + "\n") + "\n"
    )


@pytest.mark.parametrize("origin", ["2.1.1", "1.4.6"])
def test_a_repository_alone_was_at_docker_hub(origin: str) -> None:
    before = end(origin) if origin == "2.1.1" else End(name=origin)
    given = {"image": {"repository": "acme/spark-operator"}}
    found = values.remarks(given, before, end("2.5.2"), CATALOGUE.upgrades, HOMES)
    assert [it.step for it in found if it.step] == [
        "write image.registry: docker.io beside image.repository, if the image is to stay there",
        images.copy_step("ghcr.io/kubeflow/spark-operator/controller:2.5.2", "docker.io/acme/spark-operator:2.5.2"),
    ]
    assert images.judge(given, "image", "", before, end("2.5.2"), HOMES).after == "docker.io/acme/spark-operator:2.5.2"
    assert "write image.registry" not in said("image: {repository: acme/spark-operator}", "2.2.1")


def test_nobody_has_images_at_a_public_registry_without_a_name_before_them() -> None:
    assert RIGHT.replace("image.registry and ", "") in said("image: {repository: spark-operator}", "2.1.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "image: {tag: '2.5.2@sha256:aa'}",
            "the digest in it decides what is pulled, whatever the tag says",
        ),
        (
            "controller: {replicas: two}",
            'stops: controller.replicas is the text "two", and in the chart of 2.5.2 a',
        ),
        ("hook: {resources: {}}", "hook.resources is not in the chart of 2.5.2: it has no effect -> "),
        ("image: {registry: acme.io/hub-proxy}", "by its name it is a pull-through cache of Docker Hub"),
        ("image: {registry: acme.io/docker-virtual}", "by its name it is a pull-through cache of Docker Hub"),
        ("image: {registry: gitlab.io/a/dependency_proxy/containers}", "by its name it is a pull-through cache of"),
        ("image: {registry: docker.io/kubeflow/spark-operator}", "docker.io/kubeflow is upstream's own, which has no"),
        ("image: {registry: docker.io/a/b, repository: c}", "Docker Hub has no names with more than two parts"),
        ("image: {registry: Docker.io, repository: kubeflow/spark-operator}", RIGHT),
        ("image: {registry: acme.io, repository: 'op:2.1.1'}", "controller:2.5.2 acme.io/op:2.5.2"),
        (
            "controller: {envFrom: [my-secret]}",
            "stops: controller.envFrom has text (my-secret), and Kubernetes takes maps",
        ),
        ("controller: {driverPodCreationGracePeriod: 10}", "is 10 without a unit, and the chart of 2.5.2 passes it on"),
    ],
)
def test_digests_words_and_keys_that_another_part_has(text: str, words: str) -> None:
    found = said(text)
    assert words in found
    assert "--feature-gates" not in found


def test_a_null_that_takes_an_id_away_is_meant() -> None:
    assert said("webhook: {podSecurityContext: {fsGroup: null}}") == "none of these values needs a change -> "


def test_a_host_behind_a_registry_of_ones_own_is_a_path_of_it() -> None:
    found = said("image: {registry: acme.io/cached, repository: docker.io/kubeflow/spark-operator}")
    assert "belongs in the registry" not in found
    assert "acme.io/cached/docker.io/kubeflow/spark-operator:2.5.2 before the upgrade; by its name it is" in found
    found = said("image: {registry: acme.io, repository: ghcr.io/kubeflow/spark-operator/controller}")
    assert "see that acme.io/ghcr.io/kubeflow/spark-operator/controller:2.5.2 can be pulled" in found
    found = said("image: {registry: acme.io, repository: acme.io/op}")
    assert "write registry: acme.io and repository: op" in found
    found = said("image: {registry: docker.io, repository: acme.io/op}")
    assert "write registry: acme.io and repository: op" in found


def test_a_number_that_a_template_fills_in_is_not_judged() -> None:
    assert "runAsUser" not in said("controller: {podSecurityContext: {runAsUser: '{{ uid }}'}}")


def from_1(text: str, origin: str = "1.4.6") -> str:
    found = values.remarks(yaml.safe_load(text), End(name=origin), end("2.5.2"), CATALOGUE.upgrades, HOMES)
    return "\n".join(f"{'stops: ' if it.stops else ''}{it.sentence.text} -> {it.step}" for it in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("webhook: {port: 8080}", "webhook.port is 8080, and so is prometheus.metrics.port: the webhook ends"),
        ("prometheus: {metrics: {port: 9443}}", "prometheus.metrics.port is 9443, and so is webhook.port"),
        ("prometheus: {metrics: {port: 8081}}", "and so is the port of the controller's probes"),
        ("controller: {pprof: {enable: true, port: 8080}}", "controller.pprof.port is 8080, and so is"),
        (
            "controller: {batchScheduler: {enable: true, default: kueue}}",
            "controller.batchScheduler.default is kueue, which is neither volcano nor yunikorn nor in",
        ),
    ],
)
def test_what_an_operator_ends_at_is_said(text: str, words: str) -> None:
    stops = [it for it in said(text).splitlines() if words in it]
    assert len(stops) == 1
    assert stops[0].startswith("stops: ")
    assert " -> set " in stops[0]


@pytest.mark.parametrize(
    "text",
    [
        "webhook: {port: 8080}\nprometheus: {metrics: {port: 10254}}",
        "webhook: {port: 8080}\nprometheus: {metrics: {enable: false}}",
        "webhook: {enable: false, port: 8080}",
        "controller: {pprof: {enable: false, port: 8080}}",
        "controller: {batchScheduler: {enable: true, kubeSchedulerNames: [mine], default: mine}}",
        "controller: {batchScheduler: {enable: false, default: kueue}}",
    ],
)
def test_ports_and_schedulers_that_fit_are_no_matter(text: str) -> None:
    assert "stops: " not in said(text)


def test_old_keys_are_judged_by_what_they_say_in_their_new_places() -> None:
    found = from_1("""
replicaCount: 1
podDisruptionBudget: {enable: true}
volumes: [{name: ca, secret: {secretName: ca}}]
volumeMounts: [{name: ca, mountPath: /etc/ca}]
webhook: {enable: true, port: 8080}
podMonitor: {enable: true}
""")
    assert "stops: controller.podDisruptionBudget.enable needs more than one replica" in found
    assert "stops: controller.volumeMounts mounts nothing at /tmp" in found
    assert "stops: webhook.port is 8080, and so is prometheus.metrics.port" in found
    assert "see that the kind is there: kubectl get crd podmonitors.monitoring.coreos.com" in found
    assert "and so is" not in from_1("webhook: {enable: true, port: 8080}\nmetrics: {enable: true, port: 10254}")


def test_rights_are_not_taken_away_by_a_switch_that_was_off_by_default() -> None:
    found = from_1("rbac: {create: false, createRole: true, createClusterRole: true}")
    assert "write rbac.createRole as spark.rbac.create, rbac.createClusterRole as controller.rbac.create" in found
    assert "rbac.create as " not in found
    assert "write rbac.create as controller.rbac.create, rbac.create as spark.rbac.create" in from_1(
        "rbac: {create: true}"
    )


def test_keys_of_the_first_chart_have_names_too() -> None:
    found = from_1(
        "enableWebhook: true\nmetricsPort: 10254\nreplicas: 2\noperatorVersion: v1beta2-1.2.0-3.0.0", "1.0.0"
    )
    assert "write enableWebhook as webhook.enable" in found
    assert "write metricsPort as prometheus.metrics.port" in found
    assert "write replicas as controller.replicas" in found
    assert "operatorVersion is not in the chart of 2.5.2: it has no effect -> " in found


def test_defaults_that_moved_since_1_are_named_where_values_leave_them_alone() -> None:
    found = from_1("webhook: {enable: true}")
    assert (
        "the default of prometheus.metrics.port moved from 10254 (metrics.port) to 8080: set it if that matters"
        in found
    )
    assert "the default of webhook.port moved from 8080 to 9443" in found
    assert "the default of webhook.enable" not in found
    assert "the default of webhook.enable moved from false to true" in from_1("{}")
    assert "metrics.port moved" not in from_1("metrics: {port: 1}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "controller: {featureGates: ['PartialRestart=true']}",
            "has PartialRestart=true, and the chart",
        ),
        ("controller: {featureGates: [{name: PartialRestart}]}", "and the chart makes a flag of the name"),
        ("certManager: {enable: true, duration: 90d}", "certManager.duration is 90d, and cert-manager takes hours"),
        ("webhook: {replicas: 2, podDisruptionBudget: {enable: true, minAvailable: half}}", 'is the text "half"'),
        (
            "controller: {scheduledSparkApplicationTimestampPrecision: second}",
            "is second, and may be nanos, micros, millis, seconds, minutes",
        ),
    ],
)
def test_what_a_flag_a_certificate_or_a_budget_cannot_be_is_said(text: str, words: str) -> None:
    assert [it for it in said(text).splitlines() if words in it and it.startswith("stops: ")]


@pytest.mark.parametrize(
    "text",
    [
        "controller: {replicas: 2, podDisruptionBudget: {enable: true, minAvailable: 50%}}",
        "controller: {featureGates: [{name: PartialRestart, enabled: true}]}",
        "certManager: {enable: true, duration: 2160h, renewBefore: 360h30m}",
    ],
)
def test_what_they_can_be_is_no_matter(text: str) -> None:
    assert "stops: " not in said(text)


def test_what_is_global_in_an_umbrella_chart_is_looked_at() -> None:
    found = said("global: {imageRegistry: acme.io}\nspark-operator: {controller: {workers: 3}}")
    assert "global.imageRegistry has no effect on the operator" in found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "controller: {replicas: 0}",
            "controller.replicas is 0: there is no controller, and no application is started",
        ),
        ("webhook: {replicas: 0}", "webhook.replicas is 0: there is no webhook"),
        ("webhook: {port: 443}", "webhook.port is 443: the webhook does not run as root"),
        (
            "image: {tag: 20240115}",
            "image.tag is a number, which Helm writes as 2.0240115e+07 -> write image.tag in quotes",
        ),
        ("spark: {jobNamespaces: [{name: etl}]}", 'spark.jobNamespaces has {"name": "etl"}, which is no name'),
    ],
)
def test_what_works_badly_is_said(text: str, line: str) -> None:
    assert line in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "webhook: {port: 443, enable: false}",
        "webhook: {port: 443, securityContext: {runAsUser: 0, runAsNonRoot: false}}",
        "webhook: {replicas: 0, enable: false}",
        'controller: {affinity: "", tolerations: {}, nodeSelector: [], annotations: ""}',
        'spark: {jobNamespaces: ["${NAMESPACE}"]}\ncontroller: {logLevel: "{{ .Level }}"}',
    ],
)
def test_what_does_no_harm_is_not_said(text: str) -> None:
    found = said(text)
    assert not re.search(r"port is|replicas is|is text|is a map|is a list|is no name|may be", found), found
