#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: `ingressAnnotations` and `ingressTLS` of `driverIngressOptions` are accepted and never used. The Ingress of each port gets
# those of `sparkUIOptions` in their place, the certificate included, and none if there are none. The operator's own defaults for
# annotations and TLS (`controller.uiIngress`) are not for it.
#
# Guess: an Ingress is made of the entry that asks for it, as its Service is: type, labels and annotations of that come from the
#   entry. The comment of the field says it, with the class of the Ingress as its example.
# Hurt: who opens another port of the driver, such as Spark Connect's 15002 or an application's own API: without the annotation
#   for gRPC the Ingress controller speaks HTTP/1.1 to it, and calls fail, and without TLS the name is served in plain text or with the
#   controller's own certificate, while the manifest says otherwise and the Ingress is there. What was meant for the UI, such as a
#   login page in front of it, a timeout or a host's certificate, is on the port of the API. No way out but an Ingress of one's
#   own on the Service NAME-driver-PORT, which the operator makes.
# Versions: spark-operator 2.5.2, its own reconciler with the fake client of controller-runtime.
# Source: internal/controller/sparkapplication/driveringress.go of kubeflow/spark-operator: createDriverIngress hands empty TLS and
#   annotations on, and createDriverIngressV1 reads GetWebUIIngressAnnotations and GetWebUIIngressTLS, which know sparkUIOptions
#   only; the fields are in DriverIngressConfiguration of api/v1beta2/sparkapplication_types.go.
# Needs: Go.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH="$work/go" GOCACHE="$work/cache" GOFLAGS=-modcacherw

go mod download github.com/kubeflow/spark-operator/v2@v2.5.2
cp -r "$work/go/pkg/mod/github.com/kubeflow/spark-operator/v2@v2.5.2" "$work/operator" # its packages are internal
chmod -R u+w "$work/operator"
cd "$work/operator"
mkdir cmd/shown
cat >cmd/shown/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kubeflow/spark-operator/v2/api/v1beta2"
	"github.com/kubeflow/spark-operator/v2/internal/controller/sparkapplication"
	"github.com/kubeflow/spark-operator/v2/pkg/util"
)

var (
	ctx  = context.Background()
	etl  = client.ObjectKey{Namespace: "default", Name: "etl"}
	grpc = map[string]string{"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
	tls  = []networkingv1.IngressTLS{{Hosts: []string{"connect.example.com"}, SecretName: "connect"}}
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// spark takes the place of spark-submit: it makes the driver's pod.
type spark struct{ api client.Client }

func (s *spark) Submit(_ context.Context, app *v1beta2.SparkApplication) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: etl.Namespace, Name: app.Status.DriverInfo.PodName}}
	pod.Status.Phase = corev1.PodRunning
	return s.api.Create(ctx, pod)
}

// made returns the Ingress and the Service that the operator makes for a port of the driver.
func made(options *v1beta2.SparkUIConfiguration) (*networkingv1.Ingress, *corev1.Service) {
	app := &v1beta2.SparkApplication{}
	app.Namespace, app.Name, app.Spec.SparkUIOptions = etl.Namespace, etl.Name, options
	app.Spec.DriverIngressOptions = []v1beta2.DriverIngressConfiguration{{
		ServicePort:        ptr.To[int32](15002),
		ServicePortName:    ptr.To("connect"),
		ServiceAnnotations: map[string]string{"team": "data"},
		IngressURLFormat:   "connect.example.com",
		IngressAnnotations: maps.Clone(grpc),
		IngressTLS:         tls,
	}}
	scheme := runtime.NewScheme()
	must(v1beta2.AddToScheme(scheme))
	must(corev1.AddToScheme(scheme))
	must(networkingv1.AddToScheme(scheme))
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(app).WithStatusSubresource(app).Build()
	operator := sparkapplication.NewReconciler(nil, scheme, api, record.NewFakeRecorder(9), nil, &spark{api}, sparkapplication.Options{
		EnableUIService:    true,
		IngressURLFormat:   "{{$appName}}.example.com",
		IngressAnnotations: map[string]string{"defaults": "the operator's"},
		IngressTLS:         []networkingv1.IngressTLS{{SecretName: "the-operators"}},
	})
	for range 2 {
		_, err := operator.Reconcile(ctx, ctrl.Request{NamespacedName: etl})
		must(err)
	}
	ingress, service := &networkingv1.Ingress{}, &corev1.Service{}
	must(api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: "etl-ing-15002"}, ingress))
	must(api.Get(ctx, client.ObjectKey{Namespace: etl.Namespace, Name: "etl-driver-15002"}, service))
	return ingress, service
}

func main() {
	util.IngressCapabilities = util.Capabilities{"networking.k8s.io/v1": true} // as of a cluster since 1.19
	fmt.Printf("the entry for port 15002 asks for: annotations %v, TLS of %s\n", grpc, tls[0].SecretName)

	ingress, service := made(nil)
	fmt.Printf("the Service: annotations %v\n", service.Annotations)
	fmt.Printf("the Ingress: annotations %v, TLS %v\n", ingress.Annotations, ingress.Spec.TLS)
	as := service.Annotations["team"] == "data" && len(ingress.Annotations) == 0 && len(ingress.Spec.TLS) == 0

	page := map[string]string{"nginx.ingress.kubernetes.io/auth-url": "https://login.example.com"}
	certificate := []networkingv1.IngressTLS{{Hosts: []string{"ui.example.com"}, SecretName: "ui"}}
	ingress, _ = made(&v1beta2.SparkUIConfiguration{IngressAnnotations: page, IngressTLS: certificate})
	fmt.Printf("the Ingress, with sparkUIOptions for the UI: annotations %v, TLS of %s\n", ingress.Annotations, ingress.Spec.TLS[0].SecretName)
	as = as && reflect.DeepEqual(ingress.Annotations, page) && reflect.DeepEqual(ingress.Spec.TLS, certificate)
	if !as {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO
echo "spark-operator v2.5.2"
go build -o "$work/shown" ./cmd/shown
"$work/shown" 2>"$work/log"
echo "as described: the Ingress of a driver's port has the UI's annotations and certificate, and not its own"
