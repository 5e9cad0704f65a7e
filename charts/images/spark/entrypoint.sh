#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What Spark on Kubernetes starts in driver and executor pods. The contract, that is the two commands and the
# environment variables, is Spark's own (org.apache.spark.deploy.k8s.Constants, and the pods that
# org.apache.spark.deploy.k8s.features builds); it is the same in 3.5 and 4.0.
#
#   entrypoint.sh driver [spark-submit options] resource [arguments]
#   entrypoint.sh executor
#   entrypoint.sh command [arguments]       runs the command as it is
set -euo pipefail

: "${SPARK_HOME:=/opt/spark}" "${JAVA_HOME:=/opt/java/openjdk}"
export SPARK_HOME JAVA_HOME

# Hadoop refuses to start for a user id without a name, and pods may run as any user id.
name_this_user() {
    getent passwd "$(id -u)" >/dev/null && return
    local library
    library=$(find /usr/lib -name libnss_wrapper.so -print -quit 2>/dev/null)
    [[ -n $library ]] || return 0
    NSS_WRAPPER_PASSWD=$(mktemp) NSS_WRAPPER_GROUP=$(mktemp)
    echo "spark:x:$(id -u):$(id -g):${SPARK_USER_NAME:-spark}:$SPARK_HOME:/bin/false" >"$NSS_WRAPPER_PASSWD"
    echo "spark:x:$(id -g):" >"$NSS_WRAPPER_GROUP"
    export LD_PRELOAD=$library NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

# Configuration folders come first, then what the image holds, then what the user adds.
executor_class_path() {
    local path="${SPARK_CONF_DIR:-$SPARK_HOME/conf}"
    path+="${HADOOP_CONF_DIR:+:$HADOOP_CONF_DIR}"
    path+="${SPARK_CLASSPATH:+:$SPARK_CLASSPATH}:$SPARK_HOME/jars/*"
    path+="${SPARK_EXTRA_CLASSPATH:+:$SPARK_EXTRA_CLASSPATH}"
    if [[ -z ${SPARK_DIST_CLASSPATH:-} && -n ${HADOOP_HOME:-} ]]; then
        SPARK_DIST_CLASSPATH=$("$HADOOP_HOME/bin/hadoop" classpath)
    fi
    echo "$path${SPARK_DIST_CLASSPATH:+:$SPARK_DIST_CLASSPATH}"
}

# JVM options arrive one a variable, SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, …, and their order matters.
executor_java_options() {
    local number=0 variable
    java_options=()
    for variable in $(compgen -v SPARK_JAVA_OPT_ | sort -t_ -k4 -n); do
        java_options[number++]=${!variable}
    done
}

name_this_user

case ${1:-} in
driver)
    shift
    command=("$SPARK_HOME/bin/spark-submit" --deploy-mode client)
    address=${SPARK_DRIVER_BIND_ADDRESS:?is not set}
    command+=(--conf "spark.driver.bindAddress=$address" --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$address")
    command+=("$@")
    ;;
executor)
    executor_java_options
    memory=${SPARK_EXECUTOR_MEMORY:?is not set}
    command=("$JAVA_HOME/bin/java" "${java_options[@]}" "-Xms$memory" "-Xmx$memory" -cp "$(executor_class_path)")
    command+=(org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend)
    command+=(--driver-url "${SPARK_DRIVER_URL:?is not set}" --executor-id "${SPARK_EXECUTOR_ID:?is not set}")
    command+=(--cores "${SPARK_EXECUTOR_CORES:?is not set}" --app-id "${SPARK_APPLICATION_ID:?is not set}")
    command+=(--hostname "${SPARK_EXECUTOR_POD_IP:?is not set}" --podName "${SPARK_EXECUTOR_POD_NAME:?is not set}")
    command+=(--resourceProfileId "${SPARK_RESOURCE_PROFILE_ID:?is not set}")
    ;;
"")
    echo "entrypoint.sh: say driver, executor or a command" >&2
    exit 64
    ;;
*)
    command=("$@")
    ;;
esac

# Nothing of ours needs root: driver and executors give it up, as in the public image.
if [[ $(id -u) == 0 && $1 =~ ^(driver|executor)$ ]]; then
    command=(setpriv --reuid=spark --regid=spark --init-groups "${command[@]}")
fi
exec /usr/bin/tini -s -- "${command[@]}"
