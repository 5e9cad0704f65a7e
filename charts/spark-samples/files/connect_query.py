# SPDX-License-Identifier: Apache-2.0
"""Ask a Spark Connect server for a sum through Spark's JVM client, which this program starts and drives."""

import os
import sys
from pathlib import Path

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
session = gateway.jvm.org.apache.spark.sql.connect.SparkSession.builder().remote(remote).getOrCreate()
expressions = gateway.new_array(gateway.jvm.String, 1)
expressions[0] = "sum(id)"
total = session.range(up_to + 1).selectExpr(expressions).head().getLong(0)
print(f"connect answer: {total} from Spark {session.version()} through {session.getClass().getName()}", flush=True)
session.close()
gateway.shutdown()
