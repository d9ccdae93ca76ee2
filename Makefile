# Silverback. `make` alone lists the targets.
#
# One module ships, and sources/kubernetes beside it. The modules of APART have what nothing else needs (the types of Kubernetes, Prometheus's engine):
# they stand outside of go.work, so that they cannot move the versions that the binaries are built with. Tools are pinned in tools/go.mod and built into bin/ by the targets
# that need them: `make build`, `make test` and `make lab` want Go and make, nothing else.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO      ?= go
ROOT    := github.com/silverback-gateway/silverback
APART   := sources/kubernetes test/gatewayapi test/k8s test/observability
VERSION  = $(shell git describe --always --dirty 2>/dev/null || echo dev)

# Suites that start fleets have targets of their own: e2e, chaos and compose-test.
PACKAGES = $$($(GO) list ./... | grep -vE '^$(ROOT)/test/(e2e|chaos|compose)(/|$$)')

# Of these, where the race detector has something to find: of what Kong means only two packages share anything between goroutines, the engine of rollouts
# is pure, and the tests that are left out start processes, which are not built with the detector.
RACED = $$($(GO) list ./... | grep -vE '^$(ROOT)/(kong/(changes|compile|document|entity|inventory|luasyntax|pcre|proof|rustregex)|proto|services/distributor/internal/rollout|test/(e2e|chaos|compose|cmd|corpus|docs|endurance|outside|process|systemd))(/|$$)')

# Tests mostly wait: for etcd, for processes, for time. So more packages than cores are tested at once.
AT_ONCE ?= 4

# Tests, linters, binaries and images are compiled alike, so that each package is compiled once and tests run what ships. grpcnotrace leaves out gRPC's
# pages about its calls, whose templates have the linker keep every method there is: 4 MB of each agent. The race detector alone needs cgo.
export CGO_ENABLED ?= 0
export GOFLAGS := $(GOFLAGS) -trimpath -tags=grpcnotrace

# The branch that a change of the contract must not break.
AGAINST ?= main

LAB_FLAGS   ?=
BENCH_FLAGS ?=
DEMO_FLAGS  ?=
TEST_FLAGS  ?=
MUTANTS_FLAGS ?=
SEED        ?=
SEEDS       ?=
FUZZTIME    ?= 10s

##@ Everyday

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

BINARIES := bin/silverback bin/silverback-registry bin/silverback-translator bin/silverback-distributor \
	bin/silverback-agent bin/silverback-lab bin/silverback-kongsim bin/silverback-lb bin/silverback-echo

.PHONY: build
build: $(BINARIES) ## build every binary into bin/

bin/silverback:             package := ./cli/cmd/silverback
bin/silverback-registry:    package := ./services/registry/cmd/registry
bin/silverback-translator:  package := ./services/translator/cmd/translator
bin/silverback-distributor: package := ./services/distributor/cmd/distributor
bin/silverback-agent:       package := ./agent/cmd/agent
bin/silverback-lab:         package := ./lab/cmd/silverback-lab
bin/silverback-kongsim:     package := ./testkit/cmd/kongsim
bin/silverback-lb:          package := ./lab/cmd/silverback-lb
bin/silverback-echo:        package := ./lab/cmd/silverback-echo

# Always asked for: the Go build cache knows better than make what is stale.
.PHONY: $(BINARIES)
$(BINARIES):
	$(GO) build -buildvcs=false -ldflags "-X $(ROOT)/kit/build.linked=$(VERSION)" -o $@ $(package)

# Not one of BINARIES: the types of Kubernetes take a minute to compile.
.PHONY: kubernetes bin/silverback-kubernetes
kubernetes: bin/silverback-kubernetes ## build the command that renders Kubernetes manifests
bin/silverback-kubernetes:
	cd sources/kubernetes && GOWORK=off $(GO) build -buildvcs=false -o ../../$@ ./cmd/silverback-kubernetes

.PHONY: test
test: ## run the tests (TEST_FLAGS=-v ...)
	$(GO) test -p $(AT_ONCE) -timeout 30m $(TEST_FLAGS) $(PACKAGES)

.PHONY: lab
lab: bin/silverback-lab bin/silverback ## run a whole fleet in one process (LAB_FLAGS=...)
	bin/silverback-lab $(LAB_FLAGS)

# Needs a Docker engine only for the last step; pulls nothing. What can be set stands at the top of the script.
.PHONY: images
images: ## build an image of every binary (PLATFORMS=linux/amd64 ...)
	VERSION="$(VERSION)" GO="$(GO)" deploy/images/build $(IMAGES)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf bin .lab

##@ Before review

# The linter has every analyzer of go vet, so vet is not among them.
.PHONY: check
check: format bin/kube-apiserver lint proto-lint breaking race deploy-test ## everything a change must pass; needs a C compiler for the race detector
	$(GO) test -p $(AT_ONCE) -timeout 30m $(TEST_FLAGS) ./services/distributor/internal/rollout

.PHONY: format
format: bin/golangci-lint ## fail on files that are not formatted
	@bin/golangci-lint fmt --diff || { echo "not formatted; make fmt does it" >&2; exit 1; }

.PHONY: lint
lint: bin/golangci-lint ## lint the code, import rules included
	@failed=; for m in . $(APART); do \
		echo "lint $$m"; (cd $$m && GOWORK=off $(CURDIR)/bin/golangci-lint run ./...) || failed="$$failed $$m"; \
	done; \
	if [ -n "$$failed" ]; then echo "lint failed in:$$failed" >&2; exit 1; fi

.PHONY: vet
vet: ## go vet, which is part of lint
	$(GO) vet ./...
	@for m in $(APART); do (cd $$m && GOWORK=off $(GO) vet ./...) || exit 1; done

.PHONY: proto-lint
proto-lint: bin/buf ## lint the .proto files
	bin/buf lint

# git archive rather than buf's own git input: it works in worktrees and shallow clones too.
.PHONY: breaking
breaking: bin/buf ## compare the .proto files with AGAINST (default: main)
	@base=; \
	for ref in "$(AGAINST)" "origin/$(AGAINST)"; do \
		if git cat-file -e "$$ref:buf.yaml" 2>/dev/null; then base=$$ref; break; fi; \
	done; \
	if [ -z "$$base" ]; then \
		echo "breaking: skipped, this clone has no $(AGAINST) (nor origin/$(AGAINST)) with a buf.yaml to compare with"; \
		exit 0; \
	fi; \
	old=$$(mktemp -d) && trap 'rm -rf "$$old"' EXIT && \
	git archive --output="$$old/base.tar" "$$base" buf.yaml proto third_party/proto && \
	mkdir "$$old/tree" && tar -xf "$$old/base.tar" -C "$$old/tree" && \
	echo "breaking: against $$base ($$(git rev-parse --short "$$base"))" && \
	bin/buf breaking --against "$$old/tree"

.PHONY: race
race: ## the tests of what runs goroutines, under the race detector
	CGO_ENABLED=1 $(GO) test -race -vet=off -p $(AT_ONCE) -count=1 -timeout 30m $(TEST_FLAGS) $(RACED)

# The list is what the tests have. An input that fails is left in testdata/fuzz of its package, where go test runs it from then on.
.PHONY: fuzz
fuzz: ## run every fuzz target in turn, each for FUZZTIME (10s)
	@failed=; for target in $$(grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sed 's|/[^/:]*:[0-9]*:func |:|' | sort -u); do \
		dir=$${target%%:*}; name=$${target##*:}; echo "fuzz $$name of $$dir"; \
		(cd "$$dir" && GOWORK=off $(GO) test . -run '^$$' -fuzz "^$$name\$$" -fuzztime "$(FUZZTIME)" -fuzzminimizetime 10x) || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "fuzz: failed:$$failed" >&2; exit 1; fi

# The tests of the Kubernetes source run a real API server.
.PHONY: deploy-test
deploy-test: bin/etcd bin/kube-apiserver ## the modules that stand apart: the Kubernetes source, manifests, alert rules and dashboards
	@for m in $(filter-out test/gatewayapi,$(APART)); do echo "test $$m"; (cd $$m && GOWORK=off $(GO) test -count=1 -timeout 20m $(TEST_FLAGS) ./...) || exit 1; done
	@if command -v promtool >/dev/null; then \
		cd deploy/observability && promtool check config --syntax-only prometheus.yaml && promtool test rules alerts_test.yaml; \
	else echo "deploy-test: no promtool here; Prometheus's own engine has judged the rules"; fi

.PHONY: commits
commits: ## check the messages of the commits since AGAINST (default: main)
	@for ref in "$(AGAINST)" "origin/$(AGAINST)"; do \
		if git rev-parse -q --verify "$$ref^{commit}" >/dev/null; then exec $(GO) run ./test/cmd/commits "$$ref"; fi; \
	done; echo "commits: skipped, this clone has no $(AGAINST) (nor origin/$(AGAINST)) to compare with"

.PHONY: verify
verify: commits generate tidy ## messages of commits; generated code, go.mod and go.sum are as the index has them
	@git diff --exit-code -- proto/gen '*go.mod' '*go.sum' || { \
		echo "verify: the files above differ from the index; stage them if they are meant" >&2; exit 1; }
	@new=$$(git ls-files --others --exclude-standard -- proto/gen '*go.mod' '*go.sum'); \
	if [ -n "$$new" ]; then echo "verify: not in git:" >&2; echo "$$new" >&2; exit 1; fi

##@ Changing things

.PHONY: generate
generate: bin/buf bin/protoc-gen-go bin/protoc-gen-go-grpc ## write proto/gen anew from the .proto files
	bin/buf generate

.PHONY: crds
crds: ## write the definitions of Kong's custom resources anew from their types
	cd sources/kubernetes && GOWORK=off $(GO) run ./internal/cmd/crds ../../deploy/k8s/kong-crds

.PHONY: tidy
tidy: ## go mod tidy in every module
	@for m in . $(APART) tools tools/kubernetes deploy/images deploy/images/prometheus; do \
		echo "tidy $$m"; (cd $$m && GOWORK=off $(GO) mod tidy) || exit 1; \
	done

.PHONY: fmt
fmt: bin/golangci-lint ## format the code
	bin/golangci-lint fmt

##@ The whole system

.PHONY: lab-demo
lab-demo: build bin/etcd ## see the promises kept, with plain processes (DEMO_FLAGS=-keep ...)
	$(GO) run ./test/cmd/demo -bin bin $(DEMO_FLAGS)

.PHONY: incident
incident: ## what clients see of a change that traffic does not survive, with 20 gateways (INCIDENT_FLAGS=-rate=200 ...)
	$(GO) run ./test/cmd/incident $(INCIDENT_FLAGS)

.PHONY: compose-demo
compose-demo: ## the same in containers, without a registry (DEMO_FLAGS=-keep ...)
	PLATFORMS=linux/$$($(GO) env GOARCH) VERSION="$(VERSION)" GO="$(GO)" deploy/images/build
	$(GO) run ./test/cmd/demo -compose deploy/compose/compose.offline.yaml $(DEMO_FLAGS)

.PHONY: compose-test
compose-test: ## the compose files; where a Docker engine answers also the demo and the end-to-end suite in containers
	$(GO) test -count=1 -timeout 40m $(TEST_FLAGS) ./test/compose/...

bin/etcd: deploy/images/go.mod
	cd deploy/images && GOWORK=off $(GO) build -buildvcs=false -o ../../$@ go.etcd.io/etcd/server/v3

# Thousands of packages, so they are compiled once into the build cache and again only when the version changes. Nothing of them is in the binaries.
bin/kube-apiserver bin/kubectl: tools/kubernetes/go.mod
	cd tools/kubernetes && GOWORK=off $(GO) build -buildvcs=false -ldflags "-s -w" -o ../../$@ k8s.io/kubernetes/cmd/$(@F)

# An API server, the controller and a fleet, without a cluster.
KUBERNETES_LAB      = cd sources/kubernetes && GOWORK=off $(GO) run ./cmd/lab -bin $(CURDIR)/bin
KUBERNETES_BINARIES = bin/silverback bin/silverback-lab bin/silverback-kongsim kubernetes bin/etcd bin/kube-apiserver bin/kubectl

.PHONY: lab-kubernetes
lab-kubernetes: $(KUBERNETES_BINARIES) ## a real API server, the controller and a fleet, without a cluster (LAB_FLAGS=-kong ...)
	$(KUBERNETES_LAB) $(LAB_FLAGS)

.PHONY: lab-kubernetes-demo
lab-kubernetes-demo: $(KUBERNETES_BINARIES) ## see there what is promised (DEMO_FLAGS=-keep ...)
	$(KUBERNETES_LAB) -demo $(DEMO_FLAGS)

.PHONY: conformance-kubernetes
conformance-kubernetes: $(KUBERNETES_BINARIES) ## the Gateway API's own suite, in a network of its own (CONFORMANCE_TEST=NAME,... CONFORMANCE_FLAVOR=expressions)
	mkdir -p bin/conformance
	cd test/gatewayapi && GOWORK=off CONFORMANCE_REPORTS=$(CURDIR)/bin/conformance CONFORMANCE_BIN=$(CURDIR)/bin \
		$(GO) test -count=1 -timeout 120m -v $(TEST_FLAGS) ./...

.PHONY: e2e
e2e: ## end to end, with the lab and with real processes
	$(GO) test -count=1 -timeout 20m $(TEST_FLAGS) ./test/e2e/...

.PHONY: chaos
chaos: faults ## faults under load, judged afterwards (SEED=... SEEDS=200); then simulated rollouts for a minute
	nice -n 10 $(MAKE) rollouts FOR=1m

.PHONY: faults
faults: ## the first half of chaos
	SILVERBACK_CHAOS_SEED=$(SEED) CHAOS_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 180m $(TEST_FLAGS) ./test/chaos/...

# The seeds after those that the ordinary test has.
.PHONY: rollouts
rollouts: RUNS = 1000000
rollouts: SEED = 10000
rollouts: ## simulated rollouts in virtual time, with invariants after every decision (RUNS=... SEED=... FOR=1h)
	SILVERBACK_ROLLOUT_RUNS=$(RUNS) SILVERBACK_ROLLOUT_SEED=$(SEED) SILVERBACK_ROLLOUT_FOR=$(FOR) $(GO) test -count=1 -timeout 24h -v \
		-run 'TestSimulation$$' ./services/distributor/internal/rollout

.PHONY: mutants
mutants: ## break critical lines one at a time; fails when no test notices one (MUTANTS_FLAGS=...)
	$(GO) run ./test/cmd/mutants $(MUTANTS_FLAGS)

.PHONY: endurance
endurance: SUBMISSIONS = 5000
endurance: ## so many submissions of 10,000 routes in an etcd that has no room for them; an hour (SUBMISSIONS=...)
	ENDURANCE_SUBMISSIONS=$(SUBMISSIONS) $(GO) test -count=1 -timeout 24h -v ./test/endurance

.PHONY: bench
bench: ## measure the budgets (BENCH_FLAGS=...)
	$(GO) run ./test/cmd/bench $(BENCH_FLAGS)

# Tools, one file each, rebuilt when tools/go.mod changed. Nothing is stamped from git: VERSION says it, for binaries.
bin/buf:                tool := github.com/bufbuild/buf/cmd/buf
bin/protoc-gen-go:      tool := google.golang.org/protobuf/cmd/protoc-gen-go
bin/protoc-gen-go-grpc: tool := google.golang.org/grpc/cmd/protoc-gen-go-grpc
bin/golangci-lint:      tool := github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/buf bin/protoc-gen-go bin/protoc-gen-go-grpc bin/golangci-lint: tools/go.mod
	cd tools && GOWORK=off $(GO) build -buildvcs=false -o ../$@ $(tool)
