#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: for dockerfile-parse and docker-file-parser, `from pyspark.sql import SparkSession` in a here-document of a Dockerfile
# is an instruction FROM with the base image `pyspark.sql`. `DockerfileParser.baseimage = "ghcr.io/…"` then overwrites that line
# of Python and leaves the real FROM as it was, without an error.
#
# Guess: the body of `COPY <<EOF` and `RUN python3 <<EOF` is an argument of COPY and RUN, as it has been in Dockerfiles since
#   syntax 1.4 of 2022; a parser that does not know here-documents at least says so.
# Hurt: who moves base images to another registry by a program, or lists them for a mirror: the list has images that do not exist
#   (`pyspark.sql`), and the image is built from the old registry all the same, now with a job that does not compile.
#   Who sets `parent_images` has to hand the line's own `pyspark.sql` back in its place.
# Versions: dockerfile-parse 2.0.1 of PyPI and docker-file-parser 1.0.7 of npm (the newest of each); dockerfile-ast 0.7.1 of npm
#   reads the same file as Docker does. Node.js 20.
# Source: dockerfile_parse/parser.py, `structure` takes every line that does not continue one ending in a backslash as an
#   instruction, in any case; the setter of `baseimage` takes the last FROM. "Here-documents" in Docker's Dockerfile reference.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check dockerfile-parse==2.0.1
npm install --prefix "$work" --cache "$work/cache" --silent --no-audit --no-fund docker-file-parser@1.0.7 dockerfile-ast@0.7.1

cat >"$work/Dockerfile" <<'DOCKERFILE'
# syntax=docker/dockerfile:1
FROM apache/spark:4.0.1
USER root
COPY <<EOF /opt/job.py
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate()
EOF
CMD ["/opt/spark/bin/spark-submit", "/opt/job.py"]
DOCKERFILE

cat >"$work/show.mjs" <<'JAVASCRIPT'
import fs from 'node:fs';
import { DockerfileParser } from 'dockerfile-ast';
import parser from 'docker-file-parser';

const text = fs.readFileSync(process.argv[2], 'utf8');
console.log(JSON.stringify({
  'dockerfile-ast': DockerfileParser.parse(text).getFROMs().map((from) => from.getImage()),
  'docker-file-parser': parser.parse(text).filter((it) => it.name === 'FROM').map((it) => it.args),
}));
JAVASCRIPT

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from dockerfile_parse import DockerfileParser

work = Path(sys.argv[1])
for name in ("dockerfile-ast", "docker-file-parser"):
    print(name, json.loads((work / "node_modules" / name / "package.json").read_text())["version"])
print("dockerfile-parse", importlib.metadata.version("dockerfile-parse"))
run = subprocess.run(
    ["node", work / "show.mjs", work / "Dockerfile"], check=True, capture_output=True, text=True, timeout=60
)
read = json.loads(run.stdout)
parser = DockerfileParser(path=str(work / "Dockerfile"))
read["dockerfile-parse"] = parser.parent_images
for name, images in read.items():
    print(f"base images for {name}: {images}")
assert read["dockerfile-ast"] == ["apache/spark:4.0.1"], read
assert read["docker-file-parser"] == ["apache/spark:4.0.1", "pyspark.sql import SparkSession"], read
assert read["dockerfile-parse"] == ["apache/spark:4.0.1", "pyspark.sql"], read

parser.baseimage = "ghcr.io/example/spark:4.0.1"
lines = (work / "Dockerfile").read_text().splitlines()
print("after baseimage = 'ghcr.io/example/spark:4.0.1':", *lines, sep="\n    ")
assert "FROM apache/spark:4.0.1" in lines, lines
assert lines[lines.index("COPY <<EOF /opt/job.py") + 1] == "FROM ghcr.io/example/spark:4.0.1", lines
print("as described: the line of Python has become the FROM, and the FROM is the old one")
PYTHON

"$work/venv/bin/python" "$work/show.py" "$work"
