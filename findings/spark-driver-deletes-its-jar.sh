#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Surprise: a driver on Kubernetes whose jar is in its working directory deletes the jar and then fails because it is not
#   there. Before it starts, the driver copies all of spark.jars to the working directory, also what `local://` says is in
#   the image; what is there under that name goes first, and here that is the jar itself.
#
# Guess: `local://` means that the file is in the image, so that nobody copies or touches it.
# Hurt: whoever builds on the image apache/spark, whose working directory is /opt/spark/work-dir, with `COPY app.jar .` and
#   `mainApplicationFile: local:///opt/spark/work-dir/app.jar`: NoSuchFileException for a file that `docker run … ls` shows.
#   Likewise, with a read-only root file system, no jar of the image can be started
#   unless the working directory is a volume. Way out: jars in another folder than the working directory.
# Versions: Spark 4.3.0, and 4.0.4; since 3.4.0 (SPARK-33782).
# Source: core/src/main/scala/org/apache/spark/deploy/SparkSubmit.scala of apache/spark, downloadResourcesToCurrentDirectory:
#   deleteRecursively(dest) and Files.copy(source, dest), where both are the same file. DriverCommandFeatureStep.scala puts
#   the main jar into spark.jars, and spark.kubernetes.submitInDriver=true is what the driver's own spark-submit gets.
# Needs: Python with pip, JDK 17, 2 GB in the temporary folder. No cluster: all of this is before the driver asks one.
set -euo pipefail

version=4.3.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

TMPDIR="$work" python3 -m pip download --quiet --no-deps --no-binary=pyspark --no-cache-dir --disable-pip-version-check \
    --dest "$work" "pyspark==$version"
tar -xzf "$work/pyspark-$version.tar.gz" -C "$work" "pyspark-$version/deps/jars" "pyspark-$version/deps/bin"
rm "$work/pyspark-$version.tar.gz"
mv "$work/pyspark-$version/deps" "$work/spark"

mkdir "$work/work-dir" "$work/apps"
cat >"$work/App.java" <<'JAVA'
public class App {
    public static void main(String[] arguments) {
        System.out.println("the application runs");
    }
}
JAVA
(cd "$work" && javac App.java && jar cf app.jar App.class)

# said FOLDER: what a driver says whose jar is there, and what its working directory has afterwards.
said() {
    rm -f "$work/work-dir/app.jar"
    cp "$work/app.jar" "$1/app.jar"
    (cd "$work/work-dir" && SPARK_HOME="$work/spark" timeout 100 bash "$work/spark/bin/spark-submit" \
        --master k8s://http://127.0.0.1:9 --deploy-mode client --conf spark.kubernetes.submitInDriver=true \
        --conf "spark.jars=local://$1/app.jar" --class App "local://$1/app.jar") >"$work/said" 2>&1 || true
    grep -E "^(the application|Exception)|^Caused by" "$work/said" | head -1 | sed "s#$work#…#g"
    echo "  in the working directory afterwards: $(ls "$work/work-dir")"
}

outside=$(said "$work/apps")
inside=$(said "$work/work-dir")
echo "Spark $version"
echo "jar elsewhere: $outside"
echo "jar in the working directory: $inside"
[[ $outside == "the application runs"*"app.jar" ]]
[[ $inside == *NoSuchFileException* && $inside == *"afterwards: " ]]
