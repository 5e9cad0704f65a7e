# SPDX-License-Identifier: Apache-2.0
# The image of the harness for `audit`, `advise` and `snapshot`: nothing in it makes clusters. Where no registry is in
# reach, `harness foundry build 'harness image'` builds the same from Debian's packages (charts/images/harness.toml).
#
#     docker build -t spark-operator-harness .
#     docker run --rm -v "$PWD:/work:ro" spark-operator-harness audit docs .
#
# Pin the images by digest where builds have to be the same: --build-arg PYTHON=…@sha256:….
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm
ARG GO=docker.io/library/golang:1.26

FROM ${GO} AS helm
COPY clusters/nodes/modules/helm /src
WORKDIR /src
RUN CGO_ENABLED=0 go build -mod=readonly -trimpath -o /out/ helm.sh/helm/v3/cmd/helm

FROM ${PYTHON} AS build
COPY . /src
RUN python -m venv /opt/harness \
    && python /src/.ci/requirements.py select run >/tmp/requirements.txt \
    && /opt/harness/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.txt \
    && /opt/harness/bin/pip install --no-cache-dir --no-deps --no-build-isolation /src

FROM ${PYTHON}
COPY --from=build /opt/harness /opt/harness
COPY --from=helm /out/helm /usr/local/bin/helm
RUN useradd --uid 65532 --create-home harness && install --directory --owner harness /work
ENV PATH=/opt/harness/bin:$PATH
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/opt/harness/bin/harness"]
