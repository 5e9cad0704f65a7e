#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: no Spark program starts under a user id that /etc/passwd does not have, not even one without packages, and with
#   HOME set: "basedir must be absolute: ?/.ivy2.5.2/local". Java takes the home of such a user to be "?", and spark-submit
#   makes Ivy's resolvers below it whether or not there is anything to resolve.
#
# Guess: OpenShift's user ids are no matter for Spark, since its image has an entrypoint for them; and Ivy is used only with
#   --packages, below $HOME.
# Hurt: whoever starts Spark past that entrypoint, which gives such a user a name: a container with a `command` of its own,
#   a shell in the pod, the Spark operator's SparkConnect servers (2.5.2), which fall over and are started anew for ever.
#   Way out: spark.jars.ivy with an absolute folder.
# Versions: Spark 4.3.0, and 4.0.4 in a cluster; JDK 17.
# Source: common/utils/src/main/scala/org/apache/spark/util/MavenUtils.scala of apache/spark, buildIvySettings and
#   createRepoResolvers, called by SparkSubmit.prepareSubmitEnvironment without a look at spark.jars.packages.
# Needs: root, setpriv (util-linux), Python with pip, JDK 17, 2 GB in the temporary folder.
set -euo pipefail

version=4.3.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir --disable-pip-version-check \
    --dest "$work" "pyspark==$version"
tar -xzf "$work/pyspark-$version.tar.gz" -C "$work" "pyspark-$version/deps/jars" "pyspark-$version/deps/bin"
rm "$work/pyspark-$version.tar.gz"
mv "$work/pyspark-$version/deps" "$work/spark"
cat >"$work/App.java" <<'JAVA'
public class App {
    public static void main(String[] arguments) {
        System.out.println("the application runs");
    }
}
JAVA
(cd "$work" && javac App.java && jar cf app.jar App.class)
mkdir "$work/home"
chmod -R a+rX "$work"
chmod 1777 "$work/home"

# said USER OPTION...: what an application says under this user id.
said() {
    local user=$1
    shift
    (cd "$work/home" && HOME="$work/home" SPARK_HOME="$work/spark" setpriv --reuid "$user" --regid 0 --clear-groups \
        timeout 150 bash "$work/spark/bin/spark-submit" --master 'local[1]' "$@" --class App "$work/app.jar" 2>&1) \
        | grep -E "^(the application|Exception)" | head -1 || true
}

known=$(said nobody)
unknown=$(said 1000650000)
helped=$(said 1000650000 --conf "spark.jars.ivy=$work/home/ivy")
echo "Spark $version, HOME is set for all"
echo "nobody, whom /etc/passwd has: $known"
echo "1000650000: $unknown"
echo "1000650000 with spark.jars.ivy: $helped"
[[ $known == "the application runs" && $helped == "the application runs" ]]
[[ $unknown == *"basedir must be absolute: ?/"* ]]
