#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: once a Python process has a session with one Spark Connect server, `SparkSession.builder.remote(…).getOrCreate()` with the address of
#   another server returns the session with the first, without a word, and puts the new application's name and settings on it.
#
# Guess: the address is what a Connect session is about: another one gives another session, or an error, as
#   PySpark raises one where a classic session is in the way of a Connect one.
# Hurt: who compares two Spark versions or moves from one SparkConnect to the next within a process: notebooks, tests with a fixture for
#   each server, services. Both halves of a comparison ask the old server and agree; a blue-green switch has no effect until the process
#   starts anew, and ends with errors when the old server goes; settings meant for the new server change the old session for
#   whoever has it. Way out: `create()` in the place of `getOrCreate()`, or `stop()` of the first session.
# Versions: pyspark-client 4.2.0; the servers are two gRPC services made of its own protocol, each with a version of its own.
# Source: python/pyspark/sql/connect/session.py of apache/spark, Builder.getOrCreate: it takes the active session, then the default one,
#   before it looks at spark.remote, and applies the other options to it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-cache-dir --no-compile --disable-pip-version-check pyspark-client==4.2.0 pandas==2.3.3

cat >"$work/show.py" <<'PYTHON'
import concurrent.futures
import importlib.metadata
import os

import grpc
from pyspark.sql import SparkSession
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc


class Server(base_pb2_grpc.SparkConnectServiceServicer):
    """Says which version it is, and notes what is set."""

    def __init__(self, version):
        self.version, self.set = version, {}
        self.grpc = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        base_pb2_grpc.add_SparkConnectServiceServicer_to_server(self, self.grpc)
        self.url = f"sc://127.0.0.1:{self.grpc.add_insecure_port('127.0.0.1:0')}"
        self.grpc.start()

    def AnalyzePlan(self, request, context):
        answer = base_pb2.AnalyzePlanResponse(session_id=request.session_id, server_side_session_id=self.version)
        answer.spark_version.version = self.version
        return answer

    def Config(self, request, context):
        self.set |= {pair.key: pair.value for pair in request.operation.set.pairs}
        return base_pb2.ConfigResponse(session_id=request.session_id, server_side_session_id=self.version)

    def ReleaseSession(self, request, context):
        return base_pb2.ReleaseSessionResponse(session_id=request.session_id, server_side_session_id=self.version)


print("pyspark-client", importlib.metadata.version("pyspark-client"))
old, new = Server("3.5.8"), Server("4.0.4")
first = SparkSession.builder.remote(old.url).getOrCreate()
print("getOrCreate for the server with 3.5.8:", first.version)
second = SparkSession.builder.remote(new.url).appName("trial").config("spark.sql.ansi.enabled", "true").getOrCreate()
print("getOrCreate for the server with 4.0.4:", second.version, "- the same session" if second is first else "")
print("  set on 3.5.8:", old.set, "on 4.0.4:", new.set)
created = SparkSession.builder.remote(new.url).create()
print("create for the server with 4.0.4:", created.version)
as_described = second is first and second.version == first.version == "3.5.8" and created.version == "4.0.4"
as_described = as_described and old.set.get("spark.sql.ansi.enabled") == "true" and not new.set
print("as described: getOrCreate stays with the first server" if as_described else "the behaviour has changed", flush=True)
os._exit(0 if as_described else 1)  # no goodbye to servers that end with this process
PYTHON

"$work/venv/bin/python" -W ignore "$work/show.py"
