{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "spark-samples.labels" -}}
app.kubernetes.io/part-of: spark-samples
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The image of a Spark version; the context is a list of the root and the version. */}}
{{- define "spark-samples.image-of" -}}
{{- $root := index . 0 }}{{- $version := index . 1 -}}
{{- required (printf "values: spark.images has no entry for Spark %s" $version) (index $root.Values.spark.images $version) -}}
{{- end }}

{{/* Image and version of an application. */}}
{{- define "spark-samples.spark" -}}
sparkVersion: {{ .Values.spark.version | quote }}
image: {{ include "spark-samples.image-of" (list . .Values.spark.version) }}
imagePullPolicy: {{ .Values.spark.imagePullPolicy }}
{{- end }}

{{/* A JVM application that estimates π. */}}
{{- define "spark-samples.jvm-pi" -}}
type: Scala
mode: cluster
mainClass: org.apache.spark.examples.SparkPi
mainApplicationFile: local:///opt/spark/examples/jars/spark-examples.jar
arguments:
- {{ .Values.partitions | quote }}
{{- end }}

{{/* What the containers of drivers and executors are allowed, where the namespace asks for it. */}}
{{- define "spark-samples.security" -}}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "spark-samples.driver" -}}
cores: 1
coreRequest: {{ .Values.driver.coreRequest }}
coreLimit: {{ .Values.driver.coreLimit }}
memory: {{ .Values.driver.memory }}
javaOptions: {{ .Values.javaOptions | quote }}
serviceAccount: {{ .Values.serviceAccount }}
{{- include "spark-samples.security" . }}
{{- end }}

{{- define "spark-samples.executor" -}}
cores: 1
coreRequest: {{ .Values.executor.coreRequest }}
coreLimit: {{ .Values.executor.coreLimit }}
memory: {{ .Values.executor.memory }}
javaOptions: {{ .Values.javaOptions | quote }}
{{- include "spark-samples.security" . }}
{{- end }}

{{/* A ConfigMap with one program of files/; the context is a list of the root, the sample and the file. */}}
{{- define "spark-samples.code" -}}
{{- $root := index . 0 }}{{- $sample := index . 1 }}{{- $file := index . 2 -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $sample }}-code
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "spark-samples.labels" $root | nindent 4 }}
data:
  {{ $file }}: |
    {{- $root.Files.Get (printf "files/%s" $file) | nindent 4 }}
{{- end }}

{{/* A PySpark application whose program comes from the ConfigMap that spark-samples.code makes. */}}
{{- define "spark-samples.python-from-config-map" -}}
{{- $sample := index . 1 }}{{- $file := index . 2 -}}
type: Python
pythonVersion: "3"
mode: cluster
mainApplicationFile: local:///opt/code/{{ $file }}
volumes:
- name: code
  configMap:
    name: {{ $sample }}-code
{{- end }}

{{- define "spark-samples.code-mount" -}}
volumeMounts:
- name: code
  mountPath: /opt/code
{{- end }}
