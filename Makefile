# Nothing to know before: each target sets up what it needs in .venv, and CI runs the same ones.

PYTHON  ?= python3
JOBS    ?= 2
ARGS    ?=
VENV    := .venv
BIN     := $(VENV)/bin
RUN     := $(VENV)/.run-ready
INSIDE  := $(VENV)/.inside-ready
DEV     := $(VENV)/.dev-ready
DEMO    := runs/demo
GUARDED := runs/demo-guard
WAVERED := runs/demo-stability
MODEL   ?= local:qwen-coder-0.5b
WAVERS  ?= qwen-coder-0.5b
PIP     := $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt
# by pip itself, which knows where this machine's builds of torch lie; TORCH_INDEX names another index, such as that of CPU builds
TORCH   := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch

.PHONY: help setup demo demo-guard demo-stability test browser check format lint types house longest fmt docs surface errors reference bench lock clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(DEV)  ## create .venv with everything that the other targets need

demo: $(RUN)  ## test a small real model against the example policy, and write a report
	$(BIN)/obverse models fetch smollm2-135m
	$(BIN)/obverse models fetch minilm-l6-v2
	@code=0; $(BIN)/obverse run examples/support/policy.md --target local:smollm2-135m --rounds 8 --max-tokens 96 -o $(DEMO) \
	    $$(test -e $(DEMO) && echo --resume) || code=$$?; \
	case $$code in 0|3|4) echo "report: $(CURDIR)/$(DEMO)/report.html";; *) exit $$code;; esac

demo-guard: $(RUN)  ## a small real model as an agent under a guard: asked, approved, rejected, stopped, verified
	@test $(MODEL) = scripted || $(BIN)/obverse models fetch $(MODEL:local:%=%)
	@rm -rf $(GUARDED)
	@$(BIN)/python examples/guarded-shop/demo.py $(GUARDED) --model $(MODEL)

demo-stability: $(INSIDE)  ## the boundary of a small real model: what it refuses, what it answers, where it wavers, and what it looks like inside
	@for name in $(WAVERS) minilm-l6-v2 rho-requests; do $(BIN)/obverse models fetch $$name || exit $$?; done
	@code=0; $(BIN)/obverse stability examples/boundary/policy.md --target torch:$(WAVERS) --dtype auto --inside \
	    --behaviours pairs,edgy --per-set 8 --no-controls --refuse-below 0.2 --comply-above 0.8 --most 24 \
	    --ladders typos,punctuation,register,system --levels 3 --per-rung 2 --max-tokens 32 -o $(WAVERED) \
	    $$(test -e $(WAVERED) && echo --resume) || code=$$?; \
	case $$code in 0|4) echo "report: $(CURDIR)/$(WAVERED)/report.html";; *) exit $$code;; esac

test: $(DEV)  ## run all tests: unit, laws, attacks, house
	@$(BIN)/obverse models fetch minilm-l6-v2 >/dev/null || echo "without the encoder its tests are skipped"
	@$(BIN)/python tools/browser.py --install >/dev/null || echo "without a browser its tests are skipped"
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

browser: $(DEV)  ## find a Chromium for the tests of pages, or get one
	@$(BIN)/python tools/browser.py --install

check: format lint types house longest  ## formatting, lint, types, rules of the house

format: $(DEV)
	$(BIN)/ruff format --check .

lint: $(DEV)
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

house: $(DEV)
	$(BIN)/python -m pytest -q tests/house

longest: $(DEV)
	@$(BIN)/python tests/house/longest.py

fmt: $(DEV)  ## format, and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: surface errors reference  ## write again what is generated from the code

surface: $(DEV)
	$(BIN)/python tests/house/surface.py

errors: $(DEV)
	$(BIN)/python tests/house/error_codes.py

reference: $(DEV)
	$(BIN)/python tests/house/reference.py

bench: $(DEV)  ## run the benchmarks one after another (long)
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: $(DEV)  ## choose the versions in constraints.txt anew
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra guard --extra local --extra anthropic --extra internals --extra pictures --extra ray --universal --python-version 3.11 \
	    --upgrade --no-header --no-annotate --no-emit-index-url --quiet -o constraints.txt

clean:  ## remove .venv, caches and the demo run
	rm -rf $(VENV) $(DEMO) $(GUARDED) $(WAVERED) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "obverse needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>/dev/null || echo missing): make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "cannot create $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv

$(RUN): $(BIN)/uv pyproject.toml constraints.txt
	$(PIP) -e '.[local]'
	@touch $@

$(INSIDE): $(RUN)
	$(TORCH)
	$(PIP) -e '.[internals,local,pictures]'
	@touch $@

$(DEV): $(INSIDE)
	$(PIP) -e '.[dev,guard,internals,local,pictures,ray]'
	@touch $@
