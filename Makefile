# Everything runs in .venv, which `make install` creates. PYTHON=/path/to/python3 chooses the
# interpreter, and LOCK=no takes the newest packages that pyproject.toml permits.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# In CI, which sets CI, a test that cannot run is a failure. Elsewhere it is skipped with a message.
NOT_TESTED := test -z "$$CI"; exit $$?

.PHONY: help install lock hooks run bench bench-quick bench-versus test test-fast test-fast-engine test-fast-workers test-fast-commands test-slow test-slow-in-process test-slow-services test-services test-several-models test-one-service test-others coverage coverage-engine coverage-workers coverage-commands coverage-report test-chaos fuzz test-py36 test-sdk test-sdk-3.7 test-sdk-3.13 test-ranges test-builds test-locks vendor wheels docs lint format clean

help:  ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP)  ## create .venv with the server, the newest TensorFlow processor and the tools

$(STAMP): pyproject.toml tools/locks/development.txt
	@python=$$(tools/choose_python.sh $(PYTHON)) && "$$python" tools/install.py $(VENV) $(if $(filter no,$(LOCK)),--no-lock)
	@touch $(STAMP)

lock: install  ## update tools/locks/development.txt, from which `make install` installs (UPGRADE=1 takes newer versions)
	@$(BIN)/python tools/lock_development.py $(if $(UPGRADE),--upgrade)

run: install  ## train a small model on real handwritten digits, serve it, call it
	@$(BIN)/python examples/digits/demo.py

# Most parts wait for processes that they started, so two cores can run three parts at a time.
AT_ONCE = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(1) --output-sync=target)

# Tests of code that runs in their own process. The others start services, which coverage cannot see.
ENGINE := $(addprefix tests/,app config contracts frontends instances link serving)
WORKERS := $(addprefix tests/,codecs eas_wire hooks processors tf worker)
COMMANDS := $(addprefix tests/,builds cli eas_prediction model_store)
IN_PROCESS := $(ENGINE) $(WORKERS) $(COMMANDS)
E2E := tests/e2e
# Tests of gRPC services and of many models, which take half of the time.
SEVERAL := $(wildcard $(E2E)/test_[gm]*.py)
USUAL := -m 'not slow and not chaos'
QUICK := -q -m 'not medium and not slow and not chaos'
TEST_PARTS := test-several-models test-one-service coverage-workers coverage-commands coverage-engine test-others test-py36 test-sdk-3.7 test-sdk-3.13
SLOW_PARTS := test-slow-in-process test-slow-services test-chaos

test: install  ## run all tests but the slow ones, three parts at a time: services, packages with coverage, Python 3.6, the SDK on 3.7 and 3.13
	@$(MAKE) --no-print-directory $(call AT_ONCE,3) $(TEST_PARTS) \
		|| { echo 'make test: failed in the parts that lines with *** above name' >&2; exit 1; }
	@$(MAKE) --no-print-directory coverage-report

test-fast: install  ## run the quick tests, which start no service, in three processes; about a minute
	@$(MAKE) --no-print-directory $(call AT_ONCE,3) test-fast-workers test-fast-commands test-fast-engine

test-fast-engine:
	$(BIN)/python -m pytest $(QUICK) $(ENGINE)

test-fast-workers:
	$(BIN)/python -m pytest $(QUICK) $(WORKERS)

test-fast-commands:
	$(BIN)/python -m pytest $(QUICK) $(COMMANDS)

test-slow: install  ## run the tests that `make test` leaves out: slow tests, and short attacks on services
	@$(MAKE) --no-print-directory $(call AT_ONCE,2) $(SLOW_PARTS) \
		|| { echo 'make test-slow: failed in the parts that lines with *** above name' >&2; exit 1; }

test-slow-in-process: install
	$(BIN)/python -m pytest -m slow $(IN_PROCESS)

test-slow-services: install
	$(BIN)/python -m pytest -m slow $(addprefix --ignore=,$(IN_PROCESS) tests/chaos)

test-services: test-several-models test-one-service  ## run the tests that start services

test-several-models: install
	$(BIN)/python -m pytest $(USUAL) $(SEVERAL)

test-one-service: install
	$(BIN)/python -m pytest $(USUAL) $(filter-out $(SEVERAL),$(wildcard $(E2E)/test_*.py))

test-others: install  ## run the tests of the documentation, the examples, the benchmarks and the tools
	$(BIN)/python -m pytest $(USUAL) $(addprefix --ignore=,$(IN_PROCESS) $(E2E) tests/chaos)

coverage: install  ## run the tests of each package, and fail if they cover too little of the code
	@$(MAKE) --no-print-directory $(call AT_ONCE,3) coverage-workers coverage-commands coverage-engine
	@$(MAKE) --no-print-directory coverage-report

coverage-engine: install
	COVERAGE_FILE=.coverage.engine $(BIN)/python -m pytest $(USUAL) $(ENGINE) --cov --cov-report=

coverage-workers: install
	COVERAGE_FILE=.coverage.workers $(BIN)/python -m pytest $(USUAL) $(WORKERS) --cov --cov-report=

coverage-commands: install
	COVERAGE_FILE=.coverage.commands $(BIN)/python -m pytest $(USUAL) $(COMMANDS) --cov --cov-report=

coverage-report:
	$(BIN)/coverage combine --quiet --keep .coverage.engine .coverage.workers .coverage.commands
	$(BIN)/coverage report --fail-under=91

test-chaos: install  ## attack services under load (CHAOS_SECONDS=60 CHAOS_UPDATES=20 CHAOS_ENDS=20 for longer)
	$(BIN)/python -m pytest tests/chaos -q -rP

FUZZ_SECONDS := 60
FUZZ_RUNS := 0

fuzz: install  ## fuzz HTTP, HTTP/2, frames and codec, guided by coverage, FUZZ_SECONDS=60 each; or FUZZ_RUNS=1000000 mutations (FUZZ_TARGET=http2 of one)
	@if [ $(FUZZ_RUNS) = 0 ]; then \
		$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --editable '.[fuzz]'; \
	fi
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --runs $(FUZZ_RUNS) $(addprefix --target ,$(FUZZ_TARGET))

# The packages that run inside old TensorFlow builds. These tests need no TensorFlow.
PY36_VENV := .venv-py36
PY36_TESTS := tests/eas_wire tests/link tests/worker tests/codecs tests/hooks --ignore=tests/worker/test_codecs.py

test-py36:  ## run the tests of the packages for workers on Python 3.6 with protobuf 3.19
	@python=''; \
	for candidate in $(PYTHON36) python3.6 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.6.*/bin/python; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 6))' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'make: no Python 3.6 found, so the packages for workers were not tested on it; pyenv has it (pyenv install 3.6.15), or set PYTHON36=/path/to/python3.6'; \
		$(NOT_TESTED); \
	fi; \
	set -e; \
	if [ ! -f $(PY36_VENV)/.installed ]; then \
		echo "Setting up $(PY36_VENV) with $$($$python --version) ..."; \
		"$$python" -m venv --clear $(PY36_VENV); \
		$(PY36_VENV)/bin/python -m pip install --quiet --upgrade 'pip<22'; \
		$(PY36_VENV)/bin/python -m pip install --quiet 'numpy==1.16.6' 'protobuf==3.19.6' 'orjson==3.6.1' pytest pytest-timeout hypothesis; \
		touch $(PY36_VENV)/.installed; \
	fi; \
	PYTHONPATH=. $(PY36_VENV)/bin/python -m pytest $(USUAL) $(PY36_TESTS)

# The SDK with the oldest and with the newest of what pyproject.toml permits.
SDK_OLDEST := 'numpy==1.17' 'protobuf==3.19' 'tenacity==8' 'urllib3==1.26.5' 'grpcio==1.48.1'
SDK_NEWEST := numpy protobuf tenacity urllib3 ml_dtypes grpcio

test-sdk: test-sdk-3.7 test-sdk-3.13  ## run the tests of the SDK on Python 3.7 with the oldest packages it takes, and on 3.13 with the newest

test-sdk-3.7:
	@$(call sdk_tests,3.7,$(SDK_OLDEST))

test-sdk-3.13:
	@$(call sdk_tests,3.13,$(SDK_NEWEST))

define sdk_tests
	venv=.venv-sdk-$(1); python=''; \
	for candidate in python$(1) $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$(1).*/bin/python; do \
		if "$$candidate" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(1)")' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'make: no Python $(1) found, so the SDK was not tested on it; pyenv has it (pyenv install $(1))'; \
		$(NOT_TESTED); \
	fi; \
	set -e; \
	if [ ! -f $$venv/.installed ]; then \
		echo "Setting up $$venv with $$($$python --version) ..."; \
		"$$python" -m venv --clear $$venv; \
		$$venv/bin/python -m pip install --quiet --upgrade pip; \
		$$venv/bin/python -m pip install --quiet $(2) pytest pytest-timeout; \
		touch $$venv/.installed; \
	fi; \
	PYTHONPATH=. $$venv/bin/python -m pytest -q $(USUAL) tests/eas_prediction
endef

# The ends of the ranges in pyproject.toml to test, and the tests; empty for the usual ones.
RANGES := oldest newest
RANGE_TESTS :=

test-ranges: install  ## run the engine's tests with the oldest and the newest packages that pyproject.toml permits, TensorFlow aside
	$(BIN)/python tools/test_ranges.py $(RANGES) -- $(RANGE_TESTS)

# The processor builds in which the tests below run, and the TensorFlow versions whose models they serve.
BUILDS := 1.12 1.14 1.15 2.3 2.4 2.7 2.21
EXPORTERS :=

test-builds: install  ## run the tests of the packages for workers inside every CPU build, and the models of every exporter in each
	@# The newest is the environment of `make test` itself.
	$(BIN)/python tools/test_in_builds.py $(filter-out 2.21,$(BUILDS))
	EAS_TEST_BUILDS='$(BUILDS)' EAS_TEST_EXPORTERS='$(EXPORTERS)' $(BIN)/python -m pytest tests/e2e/test_builds.py

test-locks: install  ## ask the package index whether it has every file of every build's lock
	EAS_TEST_LOCKS=all $(BIN)/python -m pytest tests/builds/test_locks.py

VENDOR_VENV := .venv-vendor

vendor: $(VENDOR_VENV)/.installed  ## set up the vendor's own client in a separate environment, for the tests that compare with it

$(VENDOR_VENV)/.installed:
	@python=''; \
	for candidate in $(PYTHON_VENDOR) python3.11 python3.10 python3.9 python3.8 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.{11,10,9,8}.*/bin/python; do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 8) <= sys.version_info[:2] <= (3, 11))' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'make: no Python from 3.8 to 3.11 found, which the vendor'"'"'s client needs; set PYTHON_VENDOR=/path/to/python3.11' >&2; \
		exit 1; \
	fi; \
	set -e; \
	"$$python" -m venv --clear $(VENDOR_VENV); \
	PYTHONWARNINGS=ignore $(VENDOR_VENV)/bin/python -m pip install --quiet 'eas-prediction==0.36'; \
	touch $@

wheels: install  ## write into dist/: a wheel and a source archive of everything, a wheel of the SDK, locked requirements of builds, bills of materials
	@$(BIN)/python tools/wheels.py

docs: install  ## build the documentation site in build/site, and check its links
	$(BIN)/python tools/docs_site.py
	$(BIN)/zensical build --clean --strict
	@echo 'open build/site/index.html; its search needs a server: python3 -m http.server -d build/site'

lint: install  ## check style, spelling, types, and imports between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing/client.py
	$(BIN)/codespell
	$(BIN)/hadolint docker/Dockerfile*

hooks: install  ## check every commit as `make lint` does
	$(BIN)/pre-commit install

format: install  ## format the code, and apply automatic fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## measure this service and its peers, and update docs/benchmarks.md
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.report

bench-quick: install  ## measure this service and one peer, in under five minutes
	$(BIN)/python -m benchmarks --quick

bench-versus: install  ## compare the speed with another checkout, in alternating rounds: OLD=/path/to/it, ARGS='--pairs 6' for less
	@test -n '$(OLD)' || { echo 'make: name the checkout to compare with: make bench-versus OLD=/path/to/it (git worktree add /path/to/it COMMIT)' >&2; exit 1; }
	$(BIN)/python -m benchmarks.versus '$(OLD)' $(ARGS)

clean:  ## remove the files that these targets created
	rm -rf $(VENV) $(PY36_VENV) .venv-sdk-* .venv-ranges-* .venv-builds-* $(VENDOR_VENV) build dist *.egg-info examples/digits/build
