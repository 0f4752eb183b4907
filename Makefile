# Everything here starts from a bare machine with Python 3.11+ and make; no environment needs to be activated.
# On Windows, or without make: the same as plain commands is in README.md.

VENV := .venv
BIN := $(VENV)/bin
CANDIDATES := python3.12 python3.13 python3.11 python3.14 python3 python
IS_SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for p in $(CANDIDATES); do $$p -c '$(IS_SUITABLE)' 2>/dev/null && echo $$p && break; done)
endif
PYTEST_ARGS ?= -n auto --maxprocesses 4

.PHONY: help demo studio test lint types docs compose with-studio develop reference-markov reference-works reference-attention train-default evaluate-default clean

help:
	@echo "make demo     complete three bundled pieces and say where to listen"
	@echo "make studio   compose in the browser; no network is needed once it is installed"
	@echo "make test     run the tests (installs PyTorch)"
	@echo "make lint     check style and layout (ruff)"
	@echo "make types    check the types (mypy --strict)"
	@echo "make docs     the documents as pages to read offline, in build/site"
	@echo "make reference-markov DATASET=...   count the Markov reference anew from a prepared dataset"
	@echo "make reference-works DATASET=... MANIFEST=...   build the index of works that ideas must not copy"
	@echo "make train-default DATASET=...   train the default model anew"
	@echo "make evaluate-default MIDI_DIR=...   measure the default model; the tables of its card"
	@echo "make reference-attention DATASET=...   train the attention reference: hours on a GPU, days on a CPU"
	@echo "make clean    remove the environments and what tools left behind"

demo: compose
	@$(BIN)/python scripts/demo.py

studio: with-studio
	@$(BIN)/pianomuse studio $(ARGS)

test: develop
	@$(BIN)/python -m pytest $(PYTEST_ARGS)
	@echo "Go on with: $(BIN)/pianomuse complete examples/waltz-pickup.mid --bars 4 --candidates 3 --seed 1"

lint: develop
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: develop
	@$(BIN)/mypy

docs:
	@test -n "$(PYTHON)" || { echo "PianoMuse needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	@test -x $(VENV)-docs/bin/mkdocs || { "$(PYTHON)" -m venv $(VENV)-docs && \
		$(VENV)-docs/bin/pip install --quiet -c constraints.txt "mkdocs>=1.6,<2"; }
	@$(VENV)-docs/bin/python scripts/build_site.py $(ARGS)

reference-markov: develop
	@test -n "$(DATASET)" || { echo "Name a prepared dataset: make reference-markov DATASET=datasets/corpus" >&2; exit 1; }
	@$(BIN)/python scripts/build_markov.py "$(DATASET)"

reference-works: develop
	@test -n "$(DATASET)" -a -n "$(MANIFEST)" || { echo "Name a prepared dataset and its CSV of works:" \
		"make reference-works DATASET=datasets/corpus MANIFEST=manifest.csv" >&2; exit 1; }
	@$(BIN)/python scripts/build_known_works.py "$(DATASET)" --manifest "$(MANIFEST)"

reference-attention: develop
	@test -n "$(DATASET)" || { echo "Name a prepared dataset: make reference-attention DATASET=datasets/corpus" >&2; exit 1; }
	@$(BIN)/python scripts/train_attention.py "$(DATASET)" --out $(or $(OUT),runs/attention) --settings recipes/attention.toml $(ARGS)

train-default: develop
	@test -n "$(DATASET)" || { echo "Name a prepared dataset: make train-default DATASET=datasets/piano" >&2; exit 1; }
	@$(BIN)/python scripts/train_default.py "$(DATASET)" --out $(or $(OUT),runs/default) $(ARGS)

evaluate-default: develop
	@test -n "$(MIDI_DIR)" || { echo "Name validation music: make evaluate-default MIDI_DIR=my-midi-files" >&2; exit 1; }
	@$(BIN)/python scripts/write_card.py "$(MIDI_DIR)" --out $(or $(OUT),build/evaluation) $(ARGS)

compose with-studio develop:
	@test -n "$(PYTHON)" || { echo "PianoMuse needs Python 3.11 or newer, and none was found. Install it" \
		"(https://www.python.org/downloads/) or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" scripts/setup_env.py $(@:with-%=%) --venv $(VENV)

clean:
	rm -rf $(VENV) $(VENV)-compose $(VENV)-docs build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
