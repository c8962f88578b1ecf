# Everything runs in .venv, which `make install` creates. PYTHON=/path/to/python3 chooses the interpreter.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

.PHONY: help install run test test-fast test-py36 lint format clean

help:  ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP)  ## create .venv with the server, the newest TensorFlow processor and the tools

$(STAMP): setup.py
	@python=''; \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python3.10; do \
		if "$$candidate" -c '$(SUPPORTED)' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'make: no Python from 3.10 to 3.13 on PATH, which the newest TensorFlow needs.' >&2; \
		echo 'make: install one (for example: apt install python3 python3-venv) or run: make install PYTHON=/path/to/python3' >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version) ..."; \
	"$$python" -m venv --clear $(VENV) || { \
		echo "make: $$python cannot create virtual environments (on Debian: apt install python3-venv)" >&2; exit 1; }
	@# pip draws its progress on a terminal; elsewhere it is quiet, and so are its warnings.
	@quiet=$$([ -t 1 ] || echo --quiet); export PYTHONWARNINGS=ignore; \
	$(BIN)/python -m pip install --quiet --upgrade pip && \
	$(BIN)/python -m pip install $$quiet --editable '.[server,tensorflow,examples,dev]'
	@touch $(STAMP)

run: install  ## train a small model on real handwritten digits, serve it, call it
	@$(BIN)/python examples/digits/demo.py

test: install  ## run the tests, and those of the 3.6 rooms on Python 3.6 where it is found
	$(BIN)/python -m pytest
	@$(MAKE) --no-print-directory test-py36

test-fast: install  ## run the tests that take no more than a few seconds
	$(BIN)/python -m pytest -m 'not slow'

# The rooms wire, link and worker run inside old TensorFlow builds; their tests need no TensorFlow.
PY36_VENV := .venv-py36
PY36_TESTS := tests/wire tests/link tests/worker

test-py36:  ## run the tests of the 3.6 rooms on Python 3.6 with protobuf 3.19
	@python=''; \
	for candidate in $(PYTHON36) python3.6 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.6.*/bin/python; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 6))' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo 'make: no Python 3.6 found, so the 3.6 rooms were not tested on it; pyenv has it (pyenv install 3.6.15), or set PYTHON36=/path/to/python3.6'; \
		exit 0; \
	fi; \
	set -e; \
	if [ ! -f $(PY36_VENV)/.installed ]; then \
		echo "Setting up $(PY36_VENV) with $$($$python --version) ..."; \
		"$$python" -m venv --clear $(PY36_VENV); \
		$(PY36_VENV)/bin/python -m pip install --quiet --upgrade 'pip<22'; \
		$(PY36_VENV)/bin/python -m pip install --quiet 'numpy==1.16.6' 'protobuf==3.19.6' pytest hypothesis; \
		touch $(PY36_VENV)/.installed; \
	fi; \
	PYTHONPATH=. $(PY36_VENV)/bin/python -m pytest $(PY36_TESTS)

lint: install  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what the targets above created
	rm -rf $(VENV) $(PY36_VENV) build dist *.egg-info examples/digits/build
