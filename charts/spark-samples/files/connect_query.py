# SPDX-License-Identifier: Apache-2.0
"""Ask a Spark Connect server for a sum through Spark's JVM client, which this program starts and drives.

It may come before the server is Ready, and one that is Ready is behind its Service only when the node's rules say so
too. The JVM starts meanwhile; Spark's client, which waits longer after each failure, not before somebody answers there.
"""

import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ANSWER_SECONDS = 60


def await_port(host: str, port: int) -> None:
    """Wait until a connection can be made; the client will tell why when none can."""
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=2).close()
            return
        except OSError as refused:
            print(f"{host}:{port} does not answer yet: {refused}", flush=True)
            time.sleep(0.25)


home = Path(os.environ.get("SPARK_HOME", "/opt/spark"))
sys.path[:0] = [str(file) for file in (home / "python" / "lib").glob("py4j-*.zip")]

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway  # noqa: E402

remote, up_to = sys.argv[1], int(sys.argv[2])
jars = home / "jars"
port = launch_gateway(
    jarpath=str(next(jars.glob("py4j*.jar"))),
    # The client's own jars are kept apart from the server's, for the Connect shell.
    classpath=f"{jars}/*:{jars}/connect-repl/*",
    javaopts=["-Xmx256m", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.nio=ALL-UNNAMED"],
    redirect_stderr=sys.stderr,
    die_on_exit=True,
)
gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port))
# Its classes are loaded while the server may still be on its way.
gateway.jvm.java.lang.Class.forName("org.apache.spark.sql.connect.SparkSession")
server = urlsplit(remote)
await_port(server.hostname, server.port)
session = gateway.jvm.org.apache.spark.sql.connect.SparkSession.builder().remote(remote).getOrCreate()
expressions = gateway.new_array(gateway.jvm.String, 1)
expressions[0] = "sum(id)"
total = session.range(up_to + 1).selectExpr(expressions).head().getLong(0)
print(f"connect answer: {total} from Spark {session.version()} through {session.getClass().getName()}", flush=True)
session.close()
gateway.shutdown()
