# Everything a person runs. `make demo` and `make test` work from nothing but Python 3.11+ with venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# The distribution's Python where it will do: built with profile-guided optimisation, it runs Python alone 1.4 times as fast
# as one that pyenv has built without being asked for that.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo python3)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rapport
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/bin/uv)
PYTEST := .venv/bin/pytest
WORKERS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 2 )))# two more than cores: tests wait a third of their time
unexport PYTHONDONTWRITEBYTECODE  # with it every start of every service compiles everything anew, for seconds

.PHONY: help setup demo up test test-peers check lint types imports docs docs-check browser promtool bench clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(CACHE)/uv/bin/uv:
	@echo "fetching uv into $(CACHE)/uv"
	@$(PYTHON) -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install -q 'uv>=0.9,<1'

.venv/.made: uv.lock pyproject.toml $(wildcard */pyproject.toml services/*/pyproject.toml) | $(UV)
	@$(UV) sync --frozen --python $(PYTHON) --quiet
	@touch $@

setup: .venv/.made  ## .venv with everything from the lock file

demo: setup  ## local Kafka and MongoDB, all services, traffic, board and dashboard
	@.venv/bin/rapport demo $(ARGS)

up: setup  ## the same without traffic, data kept in .rapport
	@.venv/bin/rapport up $(ARGS)

test: setup  ## all tests, against a local stack started for them
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-peers: setup  ## against other products and their clients; fetches what it needs and says what it skipped
	@command -v prometheus-alertmanager >/dev/null || { apt-get -qq update \
		&& DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y --no-install-recommends install prometheus-alertmanager >/dev/null; } || true
	@$(PYTEST) tests/peers -rs $(ARGS)

check: lint types imports docs-check test  ## all that must be green before a commit lands

lint: setup  ## ruff, every rule
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: setup  ## mypy --strict
	@.venv/bin/mypy shared/src services/intake/src services/sla-monitor/src services/followup/src services/metrics/src devkit/src tests

imports: setup  ## who may import whom
	@.venv/bin/lint-imports

docs: setup  ## write the generated pages anew
	@.venv/bin/python -m devkit.docs

docs-check: setup  ## generated pages equal what the code says
	@.venv/bin/python -m devkit.docs --check

browser:  ## Debian's chromium for the browser tests, and axe-core, which judges how accessible the pages are
	@command -v chromium >/dev/null || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install chromium fonts-dejavu-core >/dev/null; }
	@test -e $(CACHE)/axe/node_modules/axe-core/axe.min.js || { command -v npm >/dev/null || { echo "axe-core comes with npm, which is not here"; exit 1; }; \
		mkdir -p $(CACHE)/axe && npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(CACHE)/axe axe-core@4.14.1; }

promtool: $(CACHE)/promtool  ## Debian's promtool, which judges the rules for Prometheus; put beside uv, not installed

$(CACHE)/promtool:
	@command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "promtool is fetched by apt-get, which is not here"; exit 1; }
	@mkdir -p $(CACHE) && box=$$(mktemp -d $(CACHE)/promtool-XXXXXX) && trap 'rm -rf "$$box"' EXIT && cd "$$box" \
		&& { apt-get -qq -o APT::Sandbox::User=root download prometheus >/dev/null 2>&1 || { apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download prometheus; } >/dev/null; } \
		&& dpkg -x prometheus_*.deb . && mv usr/bin/promtool $@

bench: setup  ## all benchmarks, minutes
	@.venv/bin/rapport bench $(ARGS)

clean:  ## what make made, but not the per-user cache
	@rm -rf .venv .rapport .compiled .mypy_cache .ruff_cache .pytest_cache .hypothesis
