#!/usr/bin/env bash
# Builds what is distributed to users and clusters (make dist):
#   dist/clarify_spark-VERSION.tar.gz              the source distribution
#   dist/clarify_spark-VERSION-py3-none-any.whl    the wheel, made from it
#   dist/clarify_spark.zip                         the wheel under a name that spark-submit --py-files takes
#   dist/environment.tar.gz                        a packed environment for spark-submit --archives
# Settings, from environment variables:
#   EXTRAS        what the environment holds besides the package and its dependencies (sklearn); comma-separated
#   CONSTRAINTS   versions, a pip constraints file (conf/constraints/spark4.txt)
#   PYTHON        the environment's Python. Nodes need one of this version at exactly this path
#   ENVIRONMENT   no: leave the archive out
set -euo pipefail
cd "$(dirname "$0")/.."
extras=${EXTRAS-sklearn}
constraints=${CONSTRAINTS:-conf/constraints/spark4.txt}
python=$(PYTHON=${PYTHON:-} bash conf/setup.sh python)
if [ -z "${SOURCE_DATE_EPOCH:-}" ] && git rev-parse HEAD >/dev/null 2>&1; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) # the same commit gives the same bytes of the wheel
    export SOURCE_DATE_EPOCH
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check "build>=1.0" "venv-pack>=0.2"
rm -rf dist
"$work/tools/bin/python" -m build --outdir dist . >"$work/log" || { cat "$work/log"; exit 1; }
cp dist/clarify_spark-*.whl dist/clarify_spark.zip # executors do not import from .whl files

if [ "${ENVIRONMENT:-yes}" != no ]; then
    "$python" -m venv "$work/environment"
    "$work/environment/bin/pip" install --quiet --disable-pip-version-check -c "$constraints" \
        "$(echo "$PWD"/dist/clarify_spark-*.whl)${extras:+[$extras]}"
    "$work/environment/bin/pip" uninstall --quiet --yes setuptools pip 2>/dev/null
    "$work/tools/bin/venv-pack" --quiet -p "$work/environment" -o dist/environment.tar.gz
    chmod 644 dist/environment.tar.gz
    echo "dist/environment.tar.gz: nodes need $("$python" -V) as $(readlink -f "$work/environment/bin/python")"
fi
(cd dist && du -h ./* | sed 's|\./|dist/|')
