module harness.invalid/k3s

go 1.26.0

tool harness.invalid/k3s

require go.yaml.in/yaml/v3 v3.0.4
