#!/usr/bin/env bash
# Sets up what the Makefile needs on a fresh machine.
#   conf/setup.sh java                       Java 17 or newer, installed with apt-get if this user is allowed to
#   conf/setup.sh venv FOLDER CONSTRAINTS    a virtual environment with everything the demo and the tests need
#   conf/setup.sh python                     prints the Python that would be used
set -euo pipefail

apt_install() {  # the first of the named packages that installs; fails where apt-get is missing or not allowed
    command -v apt-get >/dev/null || return 1
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 1
        sudo=(sudo -n)
    fi
    "${sudo[@]}" apt-get update -qq || true
    local package
    for package in "$@"; do
        if "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null; then
            return 0
        fi
    done
    return 1
}

java_major() {  # the major version of the java that Spark would use, 0 without one
    local java=java
    [ -z "${JAVA_HOME:-}" ] || java="$JAVA_HOME/bin/java"
    { "$java" -version 2>&1 || true; } | sed -nE 's/.*version "(1\.)?([0-9]+).*/\2/p' | head -n 1 | grep . || echo 0
}

ensure_java() {
    [ "$(java_major)" -ge 17 ] && return 0
    if [ -z "${JAVA_HOME:-}" ]; then
        echo "Java 17 or newer was not found; installing it with apt-get." >&2
        apt_install openjdk-17-jre-headless openjdk-21-jre-headless default-jre-headless || true
    fi
    if [ "$(java_major)" -lt 17 ]; then
        echo "Spark needs Java 17 or newer${JAVA_HOME:+ (JAVA_HOME=$JAVA_HOME has $(java_major))}, and it could not be installed here." >&2
        echo "Debian or Ubuntu: sudo apt-get install openjdk-17-jre-headless   macOS: brew install openjdk@17" >&2
        echo "conda: conda install -c conda-forge openjdk=17   Then set JAVA_HOME or put java on the PATH, and run make again." >&2
        exit 1
    fi
}

find_python() {  # the first Python from 3.11 on; versions long used with Spark come first
    local candidate
    for candidate in ${PYTHON:-} python3.12 python3.11 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "clarify-spark needs Python 3.11 or newer, and none was found (set PYTHON=/path/to/python)." >&2
    exit 1
}

COMPILED=(pyspark py4j numpy pandas pyarrow scipy sklearn joblib skops matplotlib pydantic jinja2 nbformat jmespath)

make_venv() {  # FOLDER CONSTRAINTS
    local folder=$1 constraints=$2 python version site
    python=$(find_python)
    if [ ! -x "$folder/bin/pip" ] && ! "$python" -m venv "$folder" 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        apt_install "python$version-venv" python3-venv || true
        if ! "$python" -m venv --clear "$folder"; then
            echo "Python's venv module is missing: sudo apt-get install python$version-venv, then run make again." >&2
            exit 1
        fi
    fi
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-compile -c "$constraints" -e ".[spark,demo,test]"
    # Compiled now on all cores, not by the first run on one; most of the environment is never imported. A file of a
    # library that this Python cannot compile would not be imported either.
    site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$folder/bin/python" -m compileall -qq -j 0 -x '/tests?/' "${COMPILED[@]/#/$site/}" || true
}

case "${1:-}" in
    java) ensure_java ;;
    venv) make_venv "$2" "$3" ;;
    python) find_python ;;
    *) sed -n '2,5p' "$0"; exit 2 ;;
esac
