#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a function with the parameter `tag: str` that Hera makes a script template of gets the number 4.1 for the tag "4.10",
# `inf` for the commit "12e4567", and None for "null". The annotation is not looked at.
#
# Guess: `tag: str` is a str, as when the same function is called in Python, and as the parameter is in the workflow that Hera
#   writes, `value: '4.10'`. Argo has no other parameters than strings.
# Hurt: workflows that pass on image tags, chart versions, commits or account numbers: most of them look like no number and arrive
#   as they are, so it works until version 4.10 is built as `spark:4.1`, or a commit is all digits. `tag.startswith` is then an
#   AttributeError at best. Way out: `str` outside a number (`v4.10`), or the constructor "runner", which goes by annotations.
# Versions: hera 7.1.0 of PyPI (the newest).
# Source: hera/workflows/script.py, InlineScriptConstructor, the default of @script: it puts a json.loads of each parameter
#   before the body, and takes the text only if that raises.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv --without-pip "$work/venv"
PIP_PYTHON="$work/venv/bin/python" python3 -m pip install --quiet --no-compile --disable-pip-version-check hera==7.1.0

cat >"$work/show.py" <<'PYTHON'
import importlib.metadata
import subprocess
import sys

from hera.workflows import Steps, Workflow, script


@script(image="python:3.11")
def build(tag: str):
    print(type(tag).__name__, tag)


def arrived(tag):
    """What the function gets in its container: Argo puts the parameter's text into the source, and runs that."""
    with Workflow(name="release", entrypoint="steps") as workflow:
        with Steps(name="steps"):
            build(arguments={"tag": tag})
    templates = {template["name"]: template for template in workflow.to_dict()["spec"]["templates"]}
    (argument,) = templates["steps"]["steps"][0][0]["arguments"]["parameters"]
    assert argument == {"name": "tag", "value": tag}, argument
    source = templates["build"]["script"]["source"].replace("{{inputs.parameters.tag}}", argument["value"])
    run = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True, timeout=60)
    print(f"  {tag} arrives as {run.stdout.strip()}")
    return run.stdout.strip()


print("hera", importlib.metadata.version("hera"))
print("def build(tag: str):")
results = {tag: arrived(tag) for tag in ("4.0.1", "4.10", "12e4567", "20261130", "null")}
assert results == {
    "4.0.1": "str 4.0.1",
    "4.10": "float 4.1",
    "12e4567": "float inf",
    "20261130": "int 20261130",
    "null": "NoneType None",
}, results
print("as described: what can be read as JSON is no string any more")
PYTHON

"$work/venv/bin/python" "$work/show.py"
