# make demo     the monitored canary on this machine, and what it shows
# make test     every test
# make destroy  takes the demo away again
# make clean    removes what these left in this directory
# make lock     locks the newest versions that the *.in files allow

.DEFAULT_GOAL := help
.PHONY: help demo destroy test lint unit molecule integration cluster sanity clean lock

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
CACHE := .cache
BIN := $(CURDIR)/$(VENV)/bin
n ?= 60

export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(BIN):$(PATH)

help:
	@sed -n 's/^# //p' Makefile

# Brings the environment $(VENV) to exactly what a lock says.
define environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo 'Python 3.11 or newer is needed. Name one: make PYTHON=/usr/bin/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo 'Python lacks its venv module. Install it: apt-get install python3-venv' >&2; exit 1; }
@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && \
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r roles/seldon/files/uv.txt; }
@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python $(1)
endef

$(VENV)/.run: requirements.txt
	$(call environment,requirements.txt)
	@rm -f $(VENV)/.test
	@touch $@

$(VENV)/.test: tests/requirements.txt
	$(call environment,tests/requirements.txt)
	@touch $(VENV)/.run $@

# Who is not root needs sudo, and its password unless sudo asks none.
BECOME = $$(test "$$(id -u)" = 0 || sudo -n true 2>/dev/null || echo --ask-become-pass)

.PHONY: root
root:
	@test "$$(id -u)" = 0 || command -v sudo >/dev/null || \
		{ echo 'Packages, a user and services need root. Run as root, or install sudo.' >&2; exit 1; }

demo: root $(VENV)/.run
	@ansible-playbook $(BECOME) playbooks/demo.yml -e n=$(n)

destroy: root $(VENV)/.run
	@ansible-playbook $(BECOME) playbooks/destroy.yml

test: lint unit molecule integration cluster sanity

lint: $(VENV)/.test
	@ansible-lint --profile production
	@antsibull-changelog lint

unit: $(VENV)/.test
	@pytest -n 2 tests/unit

# Makes a stack of its own on this machine, beside yours, and takes it away.
molecule: root $(VENV)/.test
	@ANSIBLE_HOME=$(CURDIR)/$(CACHE)/ansible molecule test --all

integration: root $(VENV)/.test
	@ansible-playbook $(BECOME) tests/prepare.yml
	@pytest -n 2 --dist loadfile tests/integration

# A Kubernetes of its own; the first time it is built, which takes a quarter of an hour.
cluster: root $(VENV)/.test
	@ansible-playbook $(BECOME) tests/prepare.yml
	@cd tests/cluster && python -m testbed build
	@pytest -n 2 --dist loadfile tests/cluster

sanity: $(VENV)/.test
	@./tests/sanity.sh

clean:
	rm -rf $(VENV) $(CACHE) .pytest_cache .hypothesis tests/output

lock: $(VENV)/.test
	@for name in requirements tests/requirements roles/seldon/files/serving roles/seldon/files/tools tests/cluster/go/toolchain; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
			--no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt \
			$$(test -f $$name.toml && echo --config-file $$name.toml) \
			$$(test -f $$name.constraints && echo --constraints $$name.constraints); done
