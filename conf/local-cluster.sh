#!/usr/bin/env bash
# A Spark cluster on this machine: a master and workers, from the pyspark of the environment.
#   conf/local-cluster.sh start FOLDER   starts whatever is not running, and prints the master's address
#   conf/local-cluster.sh stop FOLDER    stops it and its executors
# FOLDER gets the address (master.url), process ids (*.pid), logs (*.log), and what executors write (worker-*/).
# Everything listens on 127.0.0.1 only. Set in the environment:
#   VENV (.venv)  WORKERS (2)  CORES (1) and MEMORY (1g) of a worker  PORT of the master (0: a free one)
set -euo pipefail

say_usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || say_usage
mkdir -p "$2"
folder=$(cd "$2" && pwd)

runs() {  # NAME: whether the process of that name is running
    [ -f "$folder/$1.pid" ] && kill -0 "$(cat "$folder/$1.pid")" 2>/dev/null
}

launch() {  # NAME CLASS ARGUMENTS: start a process of the cluster, which outlives this script
    local name=$1
    shift
    setsid "$SPARK_HOME/bin/spark-class" "$@" </dev/null >"$folder/$name.log" 2>&1 &
    echo $! >"$folder/$name.pid"
}

wait_for() {  # NAME TEXT: until the log contains it; fails if the process ends first
    local tries
    for tries in $(seq 600); do
        ! grep -q "$2" "$folder/$1.log" || return 0
        runs "$1" || break
        sleep 0.1
    done
    echo "The $1 of the cluster did not start; the end of $folder/$1.log:" >&2
    tail -n 20 "$folder/$1.log" >&2
    exit 1
}

start() {
    local python=${VENV:-.venv}/bin/python worker
    SPARK_HOME=${SPARK_HOME:-$("$python" -c 'import pyspark; print(pyspark.__path__[0])')}
    export SPARK_HOME SPARK_LOCAL_IP=127.0.0.1 SPARK_DAEMON_MEMORY=${SPARK_DAEMON_MEMORY:-256m}
    export SPARK_DAEMON_JAVA_OPTS=${SPARK_DAEMON_JAVA_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dspark.master.rest.enabled=false}
    export SPARK_LOCAL_DIRS=$folder/scratch
    mkdir -p "$SPARK_LOCAL_DIRS"
    if ! runs master; then
        launch master org.apache.spark.deploy.master.Master --host 127.0.0.1 --port "${PORT:-0}" --webui-port 0
        wait_for master "Starting Spark master at"
        sed -nE 's#.*Starting Spark master at (spark://[^ ]+).*#\1#p' "$folder/master.log" >"$folder/master.url"
    fi
    for worker in $(seq "${WORKERS:-2}"); do
        runs "worker-$worker" || launch "worker-$worker" org.apache.spark.deploy.worker.Worker \
            --host 127.0.0.1 --cores "${CORES:-1}" --memory "${MEMORY:-1g}" --webui-port 0 \
            --work-dir "$folder/worker-$worker" "$(cat "$folder/master.url")"
    done
    for worker in $(seq "${WORKERS:-2}"); do
        wait_for "worker-$worker" "Successfully registered with master"
    done
    cat "$folder/master.url"
}

stop() {  # workers first: they end their executors
    local file name
    for file in "$folder"/worker-*.pid "$folder"/master.pid; do
        name=$(basename "$file" .pid)
        if runs "$name"; then
            kill "$(cat "$file")"
            for _ in $(seq 100); do
                runs "$name" || break
                sleep 0.1
            done
            ! runs "$name" || kill -9 "$(cat "$file")"
        fi
        rm -f "$file"
    done
}

case "$1" in
    start) start ;;
    stop) stop ;;
    *) say_usage ;;
esac
