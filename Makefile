# Two commands matter: `make run` and `make test`. Both set everything up by themselves.
PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 8000
# How many test files run at the same time.
JOBS   ?= 2
BIN    := .venv/bin
PO     := $(wildcard translations/*/LC_MESSAGES/*.po)
# What marks a sentence for translation; errors and mistakes are marked by being made with it.
MESSAGE_WORDS = -k lazy_gettext -k _l -k Sentence -k wrong -k JanelaError $(foreach error,$(shell grep -rhoE "^class [A-Za-z]+\((JanelaError|NotFound|StepRefused)\)" maintenance notifications --include=*.py | sed -E "s/class ([A-Za-z]+).*/\1/"),-k $(error))
CRASHES = $(addprefix tests/integration/test_,random_kills.py broker_restart.py crash.py crash_of_others.py)
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade

.PHONY: help run setup setup-extras test lint format lock demo-reset translations screenshots test-crash bench-planning bench-delivery clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: setup ## Set up, load the reference case, announce it, serve it at http://127.0.0.1:8000
	@exec $(BIN)/janela demo --host $(HOST) --port $(PORT)

demo-reset: setup ## Throw the demonstration away and load it anew
	@$(BIN)/janela demo --reset --prepare-only

setup: .venv/installed .venv/translated ## Make .venv with the `janela` command

setup-extras: setup ## The same with what only some need: PostgreSQL, Celery, chat rooms
	@$(PIP) -r requirements-extras.lock || { echo "The packages could not be installed; this needs the network. Run the same command again."; exit 1; }

test: .venv/installed-dev .venv/translated ## Set up and run all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-crash: .venv/installed-dev .venv/translated ## Kill, restart and lose what delivery needs, for six minutes on a quiet machine
	JANELA_TEST_KILLS=20 JANELA_TEST_RECIPIENTS=10000 $(BIN)/python -m pytest -rs $(CRASHES)

lint: .venv/installed-dev ## Check style, types and imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## Put the code in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/installed-dev ## Choose versions anew, within the bounds of pyproject.toml
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --all-extras -c requirements.lock pyproject.toml -o requirements-extras.lock
	$(LOCK) --all-extras --group dev -c requirements-extras.lock pyproject.toml -o requirements-dev.lock

translations: .venv/installed-dev ## Collect new sentences into translations/*/LC_MESSAGES/*.po
	$(BIN)/pybabel -q extract -F translations/messages.cfg $(MESSAGE_WORDS) -o translations/messages.pot --no-location --omit-header .
	$(BIN)/pybabel -q extract -F translations/notices.cfg -o translations/notices.pot --no-location --omit-header .
	for domain in messages notices; do $(BIN)/pybabel -q update -N -D $$domain -i translations/$$domain.pot -d translations --no-fuzzy-matching --ignore-obsolete; done
	rm translations/*.pot

bench-planning: .venv/installed-dev ## Measure planning on an estate of 182,500 systems
	$(BIN)/python -m benchmarks.planning

bench-delivery: .venv/installed-dev ## Measure a notice to 126,683 mailboxes, next to smtp-source (needs Debian's postfix package)
	$(BIN)/python -m benchmarks.delivery

screenshots: .venv/installed-dev .venv/translated ## Make the pictures of the documentation anew (needs Chromium)
	$(BIN)/python docs/screenshots.py

clean: ## Remove what setup made; the data in instance/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Janela needs Python 3.11 or newer. Name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Making .venv (a minute or two, once) …"
	@$(PYTHON) -m venv .venv

# The marker files say that .venv is as the lock wants it, so that a second run needs no network.
.venv/installed: requirements.lock pyproject.toml | .venv/bin/python
	@$(PIP) -r requirements.lock || { echo "The packages could not be installed. The first run needs the network; run the same command again."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . || { echo "Janela could not be installed into .venv; run the same command again, or remove .venv first."; exit 1; }
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	@$(PIP) -r requirements-dev.lock || { echo "The packages could not be installed. The first run needs the network; run the same command again."; exit 1; }
	@touch $@

.venv/translated: $(PO) | .venv/installed
	@for domain in messages notices; do $(BIN)/pybabel -q compile -D $$domain -d translations 2>&1 | grep -v ^compiling || true; done
	@touch $@
