# Everything a developer or CI does here. Nothing but Python 3.10 or later and make need be installed:
# each target makes the virtual environments that it uses, once, and again when their pins change.

PYTHON ?= python3
UV_VERSION := 0.13.9

VENV := .venv
VENV_2_11 := .venv-airflow-2.11
VENV_DOCS := .venv-docs
VENV_BENCH := .venv-bench
VENV_FIDELITY := .venv-fidelity
VENV_RELEASE := .venv-release
VENV_DATABASES := .venv-databases
UV := $(VENV)/bin/uv
# One process of tests a core, each with an Airflow home and S3 servers of its own.
IN_PARALLEL := -n auto --dist worksteal
CHAOS = $(wildcard tests/model tests/chaos tests/system)
CHECKED := airflow_provider_s3dest tests example_dags demo bench fidelity hatch_build.py release_check.py

# Airflow 2.11 stops at Python 3.12; where $(PYTHON) is later, an earlier one from the PATH serves.
# A name on the PATH may be a shim that doesn't start, so each candidate is asked to run.
PYTHON_2_11 ?= $(shell for python in "$(PYTHON)" python3.12 python3.11 python3.10; do \
	"$$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && \
	echo "$$python" && exit; done; echo "$(PYTHON)")

# Every supported Airflow with every Python that it supports.
MATRIX := 2.11-3.10 2.11-3.11 2.11-3.12 3.1-3.10 3.1-3.11 3.1-3.12 3.1-3.13 3.3-3.10 3.3-3.11 3.3-3.12 3.3-3.13
airflow_of = $(word 1,$(subst -, ,$(1)))
python_of = $(word 2,$(subst -, ,$(1)))

# What `make release` runs with the installed wheel; -I keeps the checkout out of the path.
define SMOKE_TEST
import importlib, importlib.metadata
installed = importlib.metadata.distribution("airflow-provider-s3dest")
for name in ("operators.s3_destination", "hooks.s3_destination", "decorators.s3_destination", "spec", "errors", "report"):
    importlib.import_module(f"airflow_provider_s3dest.{name}")
[info] = installed.entry_points.select(group="apache_airflow_provider")
print("airflow-provider-s3dest", installed.version, "gives Airflow", info.load()()["name"])
endef
export SMOKE_TEST

# Tests and benchmarks start many processes, each of which would compile all of Airflow anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help test test-system test-matrix chaos lint demo demo-ui bench fidelity corpora pollock docs schema pins release clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: lint $(VENV)/.installed $(VENV_2_11)/.installed ## Run the checks and all tests, on Airflow 3.3 and 2.11
	@echo "==> Tests on Airflow 3.3"
	@$(VENV)/bin/python -m pytest $(IN_PARALLEL) --ignore=tests/system --ignore=tests/fidelity
	@echo "==> Hook, operator and DAG tests on Airflow 2.11"
	@$(VENV_2_11)/bin/python -m pytest $(IN_PARALLEL) tests/airflow

test-matrix: $(addprefix test-on-,$(MATRIX)) ## Run the tests on every supported Airflow and Python; each python3.X must be on the PATH

test-on-%: .venv-matrix/%/.installed
	@echo "==> Tests on Airflow $(call airflow_of,$*), Python $(call python_of,$*)"
	@.venv-matrix/$*/bin/python -m pytest $(IN_PARALLEL) $(if $(filter 3.3-%,$*),--ignore=tests/system --ignore=tests/fidelity,tests/airflow)

chaos: $(VENV)/.installed ## Load under every fault, kill and crash (CHAOS=tests/model: a part); counts go to docs/chaos.md
	@echo "==> All cases of $(CHAOS), for docs/chaos.md"
	@S3DEST_CHAOS=1 $(VENV)/bin/python -m pytest -p tests.chaos_report --chaos-report docs/chaos.md $(CHAOS)

test-system: $(VENV)/.installed $(VENV_DATABASES)/.installed ## Run the tests under a real Airflow scheduler, and with real databases (S3DEST_CHAOS=1: more of them)
	@echo "==> System tests on Airflow 3.3"
	@$(VENV)/bin/python -m pytest tests/system --ignore=tests/system/test_databases.py
	@echo "==> Queries to PostgreSQL and MariaDB"
	@$(VENV_DATABASES)/bin/python -m pytest tests/system/test_databases.py

lint: $(VENV)/.installed ## Check style, format and types
	@echo "==> ruff check, ruff format --check, mypy --strict"
	@$(VENV)/bin/ruff check $(CHECKED)
	@$(VENV)/bin/ruff format --check $(CHECKED)
	@$(VENV)/bin/mypy --strict $(CHECKED)

demo: $(VENV)/.installed ## Load five tables into an embedded S3 in a real DAG run, and check every record
	@$(VENV)/bin/python -m demo

demo-ui: $(VENV)/.installed ## Look around in Airflow's UI, with the demo's DAGs and its S3
	@$(VENV)/bin/python -m demo ui

bench: $(VENV_BENCH)/.installed ## Measure speed, growth and scale-out, and write docs/performance.md (SHORT=1: less; ONLY=memory, ONLY=profiles)
	@$(VENV_BENCH)/bin/python -m bench $(if $(SHORT),--short) $(ONLY)

fidelity: $(VENV_FIDELITY)/.installed ## Run the table definitions, read every kind of value back with eight readers, and write docs/fidelity.md
	@$(VENV_FIDELITY)/bin/python -m pytest tests/fidelity
	@$(VENV_FIDELITY)/bin/python -m fidelity

corpora: $(VENV)/.installed ## Run a folder of your files through every format, and read them back (CORPORA=folder)
	@$(VENV)/bin/python -m fidelity.files $(CORPORA)

pollock: $(VENV)/.installed ## Load the CSV files of a checkout of Pollock (POLLOCK=its folder), and write docs/pollock.md
	@$(VENV)/bin/python -m fidelity.pollock $(POLLOCK)

docs: $(VENV_DOCS)/.installed ## Build the documents as a site; a warning is an error
	@$(VENV_DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going -d build/docs-cache docs build/docs
	@echo "==> build/docs/index.html"

schema: $(VENV)/.installed ## Write the JSON Schemas of the destination spec and of staging_format anew
	@$(VENV)/bin/python -m airflow_provider_s3dest.spec.json_schema > $(VENV)/destination_spec.schema.json
	@mv $(VENV)/destination_spec.schema.json airflow_provider_s3dest/destination_spec.schema.json
	@echo "==> airflow_provider_s3dest/destination_spec.schema.json"
	@$(VENV)/bin/python -m airflow_provider_s3dest.sources.staging_format > $(VENV)/staging_format.schema.json
	@mv $(VENV)/staging_format.schema.json airflow_provider_s3dest/sources/staging_format.schema.json
	@echo "==> airflow_provider_s3dest/sources/staging_format.schema.json"

pins: $(UV) ## Pin the requirements anew (UPGRADE=1: to the newest versions)
	@for environment in airflow-3.3 airflow-3.1 airflow-2.11 bench databases fidelity; do \
		echo "==> requirements/$$environment.txt"; \
		$(UV) pip compile --quiet --universal --python-version 3.10 --all-extras $(if $(UPGRADE),--upgrade) \
			--no-emit-index-url --custom-compile-command "make pins" \
			--output-file requirements/$$environment.txt \
			pyproject.toml requirements/$$environment.in || exit 1; \
	done
	@for environment in docs release; do \
		echo "==> requirements/$$environment.txt"; \
		$(UV) pip compile --quiet --universal --python-version 3.10 $(if $(UPGRADE),--upgrade) \
			--no-emit-index-url --custom-compile-command "make pins" \
			--output-file requirements/$$environment.txt requirements/$$environment.in || exit 1; \
	done

release: $(VENV_RELEASE)/.installed ## Build the package into dist and check it; refuses while owner.toml has an empty value
	@$(VENV_RELEASE)/bin/python release_check.py
	@echo "==> Build the sdist, and the wheel from the sdist"
	@rm -rf dist build/release
	@$(UV) build --quiet --build-constraints requirements/release.txt --out-dir dist
	@$(VENV_RELEASE)/bin/twine check --strict dist/*
	@echo "==> Install the wheel into a new environment and import it"
	@$(PYTHON) -m venv build/release
	@$(UV) pip install --quiet --python build/release/bin/python --constraint requirements/airflow-3.3.txt dist/*.whl
	@AIRFLOW_HOME=$(CURDIR)/build/release/airflow build/release/bin/python -I -c "$$SMOKE_TEST"

clean: ## Remove the environments, builds and caches
	@rm -rf $(VENV) $(VENV_2_11) $(VENV_DOCS) $(VENV_BENCH) $(VENV_FIDELITY) $(VENV_RELEASE) $(VENV_DATABASES) .venv-matrix .demo .bench build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find $(CHECKED) -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(UV):
	@echo "==> $(VENV): $$($(PYTHON) --version), uv $(UV_VERSION)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or later is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.installed: $(UV) requirements/airflow-3.3.txt pyproject.toml
	@echo "==> $(VENV): Airflow 3.3, the tools and this project"
	@$(UV) pip sync --quiet --python $(VENV)/bin/python requirements/airflow-3.3.txt
	@$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps --editable .
	@touch $@

$(VENV_2_11)/.installed: $(UV) requirements/airflow-2.11.txt pyproject.toml
	@echo "==> $(VENV_2_11): $$($(PYTHON_2_11) --version), Airflow 2.11 and this project"
	@test -x $(VENV_2_11)/bin/python || $(PYTHON_2_11) -m venv $(VENV_2_11)
	@$(UV) pip sync --quiet --python $(VENV_2_11)/bin/python requirements/airflow-2.11.txt
	@$(UV) pip install --quiet --python $(VENV_2_11)/bin/python --no-deps --editable .
	@touch $@

$(VENV_BENCH)/.installed: $(UV) requirements/bench.txt pyproject.toml
	@echo "==> $(VENV_BENCH): the development environment, and what is measured against"
	@test -x $(VENV_BENCH)/bin/python || $(PYTHON) -m venv $(VENV_BENCH)
	@$(UV) pip sync --quiet --python $(VENV_BENCH)/bin/python requirements/bench.txt
	@$(UV) pip install --quiet --python $(VENV_BENCH)/bin/python --no-deps --editable .
	@touch $@

$(VENV_FIDELITY)/.installed: $(UV) requirements/fidelity.txt pyproject.toml
	@echo "==> $(VENV_FIDELITY): the development environment, and the readers that it lacks"
	@test -x $(VENV_FIDELITY)/bin/python || $(PYTHON) -m venv $(VENV_FIDELITY)
	@$(UV) pip sync --quiet --python $(VENV_FIDELITY)/bin/python requirements/fidelity.txt
	@$(UV) pip install --quiet --python $(VENV_FIDELITY)/bin/python --no-deps --editable .
	@touch $@

$(VENV_DATABASES)/.installed: $(UV) requirements/databases.txt pyproject.toml
	@echo "==> $(VENV_DATABASES): the development environment, and the drivers of databases; mysqlclient is compiled"
	@test -x $(VENV_DATABASES)/bin/python || $(PYTHON) -m venv $(VENV_DATABASES)
	@$(UV) pip sync --quiet --python $(VENV_DATABASES)/bin/python requirements/databases.txt
	@$(UV) pip install --quiet --python $(VENV_DATABASES)/bin/python --no-deps --editable .
	@touch $@

$(VENV_DOCS)/.installed: $(UV) requirements/docs.txt
	@echo "==> $(VENV_DOCS): Sphinx"
	@test -x $(VENV_DOCS)/bin/python || $(PYTHON) -m venv $(VENV_DOCS)
	@$(UV) pip sync --quiet --python $(VENV_DOCS)/bin/python requirements/docs.txt
	@touch $@

$(VENV_RELEASE)/.installed: $(UV) requirements/release.txt
	@echo "==> $(VENV_RELEASE): what builds and checks the package"
	@test -x $(VENV_RELEASE)/bin/python || $(PYTHON) -m venv $(VENV_RELEASE)
	@$(UV) pip sync --quiet --python $(VENV_RELEASE)/bin/python requirements/release.txt
	@touch $@

.SECONDEXPANSION:
.PRECIOUS: .venv-matrix/%/.installed
.venv-matrix/%/.installed: $(UV) requirements/airflow-$$(call airflow_of,$$*).txt pyproject.toml
	@echo "==> .venv-matrix/$*: Airflow $(call airflow_of,$*), Python $(call python_of,$*) and this project"
	@test -x .venv-matrix/$*/bin/python || python$(call python_of,$*) -m venv .venv-matrix/$*
	@$(UV) pip sync --quiet --python .venv-matrix/$*/bin/python requirements/airflow-$(call airflow_of,$*).txt
	@$(UV) pip install --quiet --python .venv-matrix/$*/bin/python --no-deps --editable .
	@touch $@
