# make demo, test, check and bench all work in .venv, which the first of them makes.
# On a machine without an NVIDIA GPU torch is pinned to a release whose CPU build pip finds; with one, the range in
# pyproject.toml decides.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && command -v "$$name" && break; done)
GPU := $(shell nvidia-smi -L 2>/dev/null)
TORCH := $(if $(GPU),,torch==2.13.0)
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench clean

help:
	@echo "make demo     rehearse the whole road on a clone of this repository"
	@echo "make test     run the tests            make check   ruff and mypy"
	@echo "make bench    measure                  make install only make .venv"
	@echo "make clean    remove .venv and .demo"

install: $(STAMP)

$(STAMP): pyproject.toml Makefile
	@test -n "$(PYTHON)" || { \
		echo "error: no Python 3.11 to 3.13 with venv and ensurepip; install one (Debian: apt install python3-venv)," \
		"or name it: make install PYTHON=/path/to/python3.12" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(if $(TORCH),$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH))
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[train,langs,eval,dev]'
	@touch $@

demo: install
	@rm -rf .demo && mkdir .demo
	@git clone --quiet . .demo/repository
	@$(BIN)/sera specialize .demo/repository --teacher rehearsal --student rehearsal --name demo
	@echo "(here sera is $(BIN)/sera; to type it as it stands: . $(BIN)/activate)"

test: install
	$(BIN)/python -m pytest -q

check: install
	$(BIN)/ruff check sera_cli tests
	$(BIN)/mypy

bench: install
	@for file in tests/bench/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

clean:
	rm -rf .venv .demo
