# Cofferdam: the commands people type. Everything is left under build/; nothing outside it is changed, except that the
# first run installs Debian packages (scripts/install-deps.sh).
SHELL := /bin/bash
JOBS ?= $(shell nproc)
BUILD := build

.PHONY: help build demo test unit e2e lint fuzz asan tsan bench bench-micro bench-dns soak h2spec deps deps-build deps-appliance deps-bench helm
.PHONY: package package-test compose2 e2e-docker e2e-image clean

help:             ## what can be made
	@grep -E '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

deps-build:       ## install what a build needs (asks for root through sudo if it must)
	@scripts/install-deps.sh --build-only

deps:             ## install what building and testing need
	@scripts/install-deps.sh

helm: deps        ## build/tools/helm, for the chart's tests
	@scripts/install-helm.sh $(BUILD)/tools

deps-appliance: deps
	@scripts/install-deps.sh --appliance

deps-bench:
	@scripts/install-deps.sh --bench

build: deps-build ## build/release/cofferdam
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

demo: build       ## a real install step behind the gateway, two refused leaks, and the report
	scripts/demo.sh $(BUILD)/release/cofferdam

unit: deps        ## unit and integration tests (GoogleTest)
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS)
	ctest --test-dir $(BUILD)/dev --output-on-failure -j $(JOBS)

e2e: deps build helm ## end-to-end tests: real clients and servers in network namespaces (root)
	scripts/as-root.sh python3 -m pytest -p no:cacheprovider tests/e2e

test: unit e2e    ## all tests

lint: deps        ## format, layering, coroutine and wording lints
	python3 scripts/lint.py

fuzz: deps        ## every fuzz target for FUZZ_SECONDS (60) or FUZZ_RUNS inputs
	cmake --preset fuzz
	cmake --build --preset fuzz -j $(JOBS)
	scripts/fuzz.sh $(BUILD)/fuzz

# Whole programs under a sanitizer: what the unit tests cannot put together. A finding ends the program with an error. Bounds of
# memory are for programs without one.
SANITIZED_E2E := $(addprefix tests/e2e/test_,http.py http2.py relay.py dns.py serve.py serve_jobs.py) -k "not memory"
SANITIZED = COFFERDAM=$(CURDIR)/$(BUILD)/$@/cofferdam scripts/as-root.sh python3 -m pytest -q -p no:cacheprovider $(SANITIZED_E2E)

asan: deps        ## unit tests and main e2e tests under AddressSanitizer and UBSan
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS)
	ctest --test-dir $(BUILD)/asan --output-on-failure -j $(JOBS)
	$(SANITIZED)

# The rest of the code has no threads.
TSAN_TESTS := core_test audit_test tls_io_test dns_io_test gateway_test

tsan: deps        ## tests of the threaded parts and main e2e tests under ThreadSanitizer
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target $(TSAN_TESTS) cofferdam
	for t in $(TSAN_TESTS); do $(BUILD)/tsan/tests/$$t || exit 1; done
	$(SANITIZED)

package: build    ## the Debian package, in build/release/packages
	rm -rf $(BUILD)/release/packages
	cpack --config $(BUILD)/release/CPackConfig.cmake -B $(BUILD)/release/packages

package-test: package deps-appliance ## the package in a clean Debian: install, upgrade, jobs from the hooks, purge (root)
	scripts/as-root.sh python3 -m pytest -p no:cacheprovider tests/package

compose2:         ## build/tools/docker-compose, version 2, for e2e-docker's COMPOSE (needs Go 1.21)
	@scripts/install-compose.sh $(BUILD)/tools

COMPOSE ?= docker-compose

e2e-docker: package deps-appliance ## the compose examples on a Docker engine of the tests' own, with each docker-compose in COMPOSE (root)
	scripts/as-root.sh python3 -m pytest -p no:cacheprovider $(addprefix --compose=,$(COMPOSE)) tests/docker

e2e-image: deps-appliance ## the same with an image that compose/Dockerfile compiled, which takes long (root)
	scripts/as-root.sh python3 -m pytest -p no:cacheprovider --compile-image $(addprefix --compose=,$(COMPOSE)) tests/docker

bench-micro: deps ## micro-benchmarks (Google Benchmark)
	cmake --preset bench
	cmake --build --preset bench -j $(JOBS)
	for b in $(BUILD)/bench/bench/*_bench; do $$b --benchmark_min_time=0.2; done

bench-dns: deps-bench build ## the DNS beside dnsdist, unbound, dnsmasq; writes docs/performance.md (root)
	scripts/as-root.sh python3 tests/bench/dns_bench.py

H2SPEC ?= $(CURDIR)/$(BUILD)/tools/h2spec

h2spec: deps build ## h2spec's cases against the gateway (root); H2SPEC names the binary, else go builds it
	test -x $(H2SPEC) || GOBIN=$(CURDIR)/$(BUILD)/tools go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
	H2SPEC=$(H2SPEC) scripts/as-root.sh python3 -m pytest -p no:cacheprovider tests/e2e/h2spec.py

bench: deps deps-bench bench-load ## HTTP and TLS beside sslsplit, squid, mitmproxy, HAProxy, nginx; writes docs/performance.md (root)
	scripts/as-root.sh python3 tests/bench/bench.py

soak: deps-bench bench-load ## SOAK_SECONDS (600) of mixed load: no failure, no lost record, stable memory (root)
	scripts/as-root.sh python3 tests/bench/soak.py

.PHONY: bench-load
bench-load: build
	cmake --build --preset release -j $(JOBS) --target bench_load

clean:            ## remove build/
	rm -rf $(BUILD)
