# Everything that is done with this project by command. CI runs `make test` and nothing else.
#
# One cargo profile (release) and one target directory serve check, test, build and e2e: a second
# profile would compile the same dependencies twice.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

export CARGO_INCREMENTAL ?= 1
CARGO := cargo
BINARY := target/release/zhuandi
NPM_CI := npm ci --no-audit --no-fund --loglevel=error

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: build ## a live demo lesson at http://localhost:8080
	$(BINARY) demo

.PHONY: build
build: web/dist/.built ## target/release/zhuandi with the web client inside
	$(CARGO) build --release --locked

.PHONY: test
test: check unit e2e ## everything; what CI runs

.PHONY: check
check: fmt clippy web-check deny ## formats, types, lints, licences

.PHONY: unit
unit: web/dist/.built web/node_modules/.installed ## unit and integration tests of server and web client
	$(CARGO) test --release --locked
	npm --prefix web run test

.PHONY: e2e
e2e: build tests/e2e/node_modules/.installed ## the real binary in real browsers; FILE=lesson runs one file
	scripts/need-packages chromium firefox-esr fonts-noto-cjk
	$(if $(FILE),,rm -f target/figures/e2e.jsonl)
	cd tests/e2e && node run.mjs $(if $(FILE),$(FILE).test.mjs)

.PHONY: bench
bench: web/dist/.built ## server CPU per packet and per join, memory, churn; wants an idle machine
	rm -f target/figures/bench.jsonl
	$(CARGO) bench --locked --bench fanout
	$(CARGO) bench --locked --bench county

.PHONY: links
links: web/dist/.built ## lessons on bad links, simulated: every figure beside its goal; LINK=N3, SEED=2
	$(CARGO) test --release --locked --test sim links::the_table -- --ignored --nocapture

.PHONY: faults
faults: faults-server faults-paths ## everything that breaks, beside its goal

.PHONY: faults-server
faults-server: web/dist/.built ## kills, locks, full disks and upgrades on a real process, beside their goals; FAULT=kill, FAULT_ROUNDS=2
	$(if $(FAULT),,rm -f target/figures/faults.jsonl)
	$(CARGO) test --release --locked --test it faults::$(FAULT) -- --ignored --nocapture --test-threads=1

.PHONY: player
player: build tests/e2e/node_modules/.installed ## the simulation's player beside Chromium's, on five links
	scripts/need-packages chromium fonts-noto-cjk
	cd tests/e2e && node player.mjs

.PHONY: faults-paths
faults-paths: build tests/e2e/node_modules/.installed ## networks that break, in namespaces (root): what was measured beside its goal; FAULT=udp, TIMES=3, SEED=2
	scripts/need-packages chromium fonts-noto-cjk coturn nftables iproute2 openssl
	node tests/faults/paths.mjs

.PHONY: slides
slides: build tests/e2e/node_modules/.installed ## whether a slide's text can be read at 300/100 kbit/s, by a recogniser
	scripts/need-packages chromium fonts-noto-cjk tesseract-ocr tesseract-ocr-chi-sim
	cd tests/e2e && node slides.mjs

.PHONY: compare
compare: web/dist/.built ## zhuandi beside Janus (Debian's package): CPU per packet, memory; wants an idle machine
	scripts/need-packages janus
	rm -f target/figures/compare.jsonl
	$(CARGO) bench --locked --bench compare

.PHONY: fmt clippy web-check deny
fmt: | tools
	$(CARGO) fmt --all -- --check

clippy: web/dist/.built
	$(CARGO) clippy --release --locked --all-targets -- -D warnings

# check:legacy reads the built scripts: is there anything that Chromium 86 cannot parse?
web-check: web/dist/.built
	npm --prefix web run types
	npm --prefix web run lint
	npm --prefix web run check:legacy

deny: | tools
	scripts/need-cargo-deny
	target/tools/bin/cargo-deny check bans licenses sources

# ── set-up ──────────────────────────────────────────────────────────────────────────────────────

.PHONY: tools
tools:
	@scripts/need-tools

%/node_modules/.installed: %/package.json %/package-lock.json | tools
	cd $* && $(NPM_CI)
	@touch $@

WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null)
web/dist/.built: $(WEB_SOURCES) web/node_modules/.installed
	npm --prefix web run build
	@touch $@
