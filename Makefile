# make demo and make test are all a newcomer needs: Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check audit sbom format lock docs bench
.DEFAULT_GOAL := demo

setup: .venv/ready

.venv/ready: requirements/everything.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (set PYTHON=...)")'
	@echo "Setting up .venv from requirements/everything.lock: about a minute, and only this once ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/everything.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/ready

demo: setup
	@exec $(BIN)/runner-diagnostics demo $(ARGS)

test: setup
	$(BIN)/pytest --numprocesses 3 --dist worksteal $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python requirements/audit.py --lenient

# As check does, but what could not be looked up is a failure.
audit: setup
	$(BIN)/python requirements/audit.py

sbom: setup
	$(BIN)/cyclonedx-py requirements requirements/runtime.lock --pyproject pyproject.toml --short-PURLs --output-reproducible --output-file sbom.json

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Locks name versions and hashes, never an address; see docs/decisions/0002-locks.md.
COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-annotate
lock: setup
	$(COMPILE) pyproject.toml --output-file requirements/runtime.lock
	$(COMPILE) --group build --output-file requirements/build.lock
	$(COMPILE) pyproject.toml --extra demo --group build --group dev --output-file requirements/everything.lock

# docs/checks.md and docs/api.md, from the contract and the service.
docs: setup
	$(BIN)/python -m tests.generated

bench: setup
	$(BIN)/python -m bench $(ARGS)
