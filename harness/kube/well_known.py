# SPDX-License-Identifier: Apache-2.0
"""Names that every cluster has from Kubernetes itself: labels, taints, annotations, namespaces and a path of the API.

From kubernetes.io/docs/reference/labels-annotations-taints, and of namespaces from
kubernetes.io/docs/concepts/overview/working-with-objects/namespaces.
"""

from __future__ import annotations

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
"""Label and taint of nodes with the control plane."""

CORDONED = "node.kubernetes.io/unschedulable"
"""Taint of a node that takes no new pods."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation with what the client-side `kubectl apply` was given."""

OWN_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces for Kubernetes itself."""

FIRST_NAMESPACES = ("default", *OWN_NAMESPACES)
"""Namespaces of a new cluster."""

CRDS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
