# Two commands do all the set-up on a machine with Python 3.11 or later, venv and make:
#   make demo    analyses a sample slide and shows the finding
#   make test    runs ruff, mypy --strict and every test
# Both make their own environment in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test clean

demo: $(VENV)/installed
	$(BIN)/micromet analyze sample_slides/micro.svs -o demo-results

test: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing micromet_path and its libraries into $(VENV) (a minute or two, once)"
	@$(PIP) install -e .
	@echo "Compiling its kernels and testing the installation (half a minute, once)"
	@$(BIN)/micromet doctor > /dev/null || $(BIN)/micromet doctor
	@touch $@

$(VENV)/installed-for-tests: pyproject.toml | $(VENV)/installed
	@echo "Installing what the tests need"
	@$(PIP) install -e ".[test]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "micromet_path needs Python 3.11 or later as $(PYTHON); name another one with 'make PYTHON=python3.12 demo'"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "Python's venv module is missing; install it (Debian, Ubuntu: apt install python3-venv) and run make again"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) demo-results
