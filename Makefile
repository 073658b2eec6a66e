# make demo   runs the main job on real data          make venv    only the environment, .venv
# make check  the checks, and the tests without a JVM except slow ones
# make test   what a change must pass; with BASE=commit the process tests of what has changed since then, too
# make test-all   every check and every test
# make compare BASE=commit [HEAD=commit]   the same commands on both, and what a user would see change
# make coverage   lines and branches that the tests of a change run, beside those of before (see tests/detection)
# make mutants    planted faults that the tests of a change must catch (see tests/detection)
# make dist   wheel, sdist, the zip for --py-files and an environment for --archives (EXTRAS=…, see conf/dist.sh)
# make cluster   a Spark master and two workers on 127.0.0.1 (see conf/local-cluster.sh); make cluster-stop   ends them
# make bench-bias   counting speed against a bare scan, DuckDB and pandas
# make bench-shap   Kernel SHAP against the bare model and against shap
# make bench-shap-accuracy   errors of Kernel SHAP against shap, and coverage of intervals
# make bench-help   processor time of --version and --help
# make bench-predict   requests to a service against a bare loop, models against their own predict
# make bench-pair-games   pair games against the shared design and against shap
# make bench-coverage   how often intervals of bias metrics contain the true value; make bench-statistics   their cost
# make bench-scale   growth of time and of the driver's memory with rows (200 million; ten minutes and 3 GB of disk)
# make bench-pdp   partial dependence against scikit-learn, and the report
# make bench-start   small runs against a bare pyspark program, and where their seconds go (BENCH_START_OPTIONS=…)
VENV ?= .venv
CONSTRAINTS ?= conf/constraints/spark4.txt
EXTRAS ?= sklearn
BIN := $(VENV)/bin
.PHONY: help venv java demo dist test test-all check lint compare bench-bias bench-shap bench-shap-accuracy bench-pair-games bench-predict bench-help bench-coverage bench-statistics bench-pdp bench-start clean

help:
	@sed -n 's/^# //p' Makefile

venv: $(VENV)/.installed

$(VENV)/.installed: setup.py $(CONSTRAINTS) conf/setup.sh
	bash conf/setup.sh venv "$(VENV)" "$(CONSTRAINTS)"
	touch $@

java:
	@bash conf/setup.sh java

demo: venv java
	$(BIN)/clarify-spark demo

dist:
	@EXTRAS="$(EXTRAS)" CONSTRAINTS="$(CONSTRAINTS)" bash conf/dist.sh

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tests without a JVM, one process with one thread for linear algebra per core; tests of one file stay together, for
# what they share.
WITHOUT_JVM := -q -n auto --dist loadfile -m

check: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest $(WITHOUT_JVM) "not spark and not slow"

test: lint java
	@failed=0; \
	(set -x; OMP_NUM_THREADS=1 $(BIN)/pytest $(WITHOUT_JVM) "not spark") || failed=$$?; \
	(set -x; $(BIN)/pytest -m spark --change="$(BASE)") || failed=$$?; \
	exit $$failed

test-all: lint java
	$(BIN)/pytest

compare: venv java
	$(BIN)/python tests/equivalence/compare.py $(BASE) $(HEAD) $(COMPARE_OPTIONS)

bench-bias: venv java
	$(BIN)/python benchmarks/bench_bias.py

bench-shap: venv java
	$(BIN)/python benchmarks/bench_shap.py
	$(BIN)/python benchmarks/bench_shap_spark.py

bench-shap-accuracy: venv
	$(BIN)/python benchmarks/bench_shap_accuracy.py --seeds 2

bench-pair-games: venv
	$(BIN)/python benchmarks/bench_pair_games.py

bench-predict: venv
	$(BIN)/python benchmarks/bench_predict.py

bench-coverage: venv
	$(BIN)/python benchmarks/bench_coverage.py

bench-help: venv
	$(BIN)/python benchmarks/bench_help.py

bench-pdp: venv java
	$(BIN)/python benchmarks/bench_pdp.py

bench-start: venv java
	$(BIN)/python benchmarks/bench_start.py $(BENCH_START_OPTIONS)

bench-statistics: venv
	$(BIN)/python benchmarks/bench_statistics.py

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The same tests on the older Spark line, in a separate environment.
.PHONY: test-spark35
test-spark35: java
	$(MAKE) venv VENV=.venv-spark35 CONSTRAINTS=conf/constraints/spark35.txt
	.venv-spark35/bin/pytest

# Of these, what every change runs: what is fitted to Spark, and with pandas 2 what needs no Spark.
.PHONY: test-spark35-change
test-spark35-change: java
	$(MAKE) venv VENV=.venv-spark35 CONSTRAINTS=conf/constraints/spark35.txt
	@failed=0; \
	(set -x; .venv-spark35/bin/pytest -m spark_line tests/spark tests/jobs tests/parity) || failed=$$?; \
	(set -x; OMP_NUM_THREADS=1 .venv-spark35/bin/pytest $(WITHOUT_JVM) "not spark") || failed=$$?; \
	exit $$failed

# The tests that depend on the Spark version, on the oldest Spark 4 with pandas 2.
.PHONY: test-spark40
test-spark40: java
	$(MAKE) venv VENV=.venv-spark40 CONSTRAINTS=conf/constraints/spark40.txt
	.venv-spark40/bin/pytest tests/spark tests/jobs tests/cluster tests/parity/test_spark_parity.py

# The tests that use Spark, through a Spark Connect server whose workers have no clarify_spark installed.
.PHONY: test-connect
CONNECT_TESTS ?= tests/spark tests/jobs tests/parity/test_spark_parity.py
test-connect: venv java
	$(BIN)/pytest --connect $(CONNECT_TESTS)

.PHONY: cluster cluster-stop
cluster: venv java
	@VENV=$(VENV) bash conf/local-cluster.sh start build/cluster

cluster-stop:
	@bash conf/local-cluster.sh stop build/cluster

.PHONY: bench-scale
bench-scale: venv java
	$(BIN)/python benchmarks/bench_scale.py

# Proof that tests still find what they found: see tests/detection/README.md.
.PHONY: coverage mutants
.venv-detection/.installed: tests/detection/requirements.txt conf/setup.sh
	"$$(bash conf/setup.sh python)" -m venv .venv-detection
	.venv-detection/bin/pip install --quiet --disable-pip-version-check -r tests/detection/requirements.txt
	touch $@

coverage: venv java .venv-detection/.installed
	.venv-detection/bin/python tests/detection/measure.py $(COVERAGE_OPTIONS)

mutants: venv java .venv-detection/.installed
	.venv-detection/bin/python tests/detection/mutants.py $(MUTANTS_OPTIONS)
