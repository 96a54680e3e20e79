# Image that docker-build makes and deploy installs.
IMG ?= controller:latest
# Built into the programs; "dev" outside a git checkout.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Of the bundle, which wants a semantic version.
BUNDLE_VERSION ?= 0.1.0
# Where the operator's Secrets and Lease are for `make run`.
OPERATOR_NAMESPACE ?= console-access-system
# For demo and run: e.g. make demo ARGS=--once
ARGS ?=
# For test: e.g. make test TESTS=./internal/quota/... TESTARGS='-run Window -v'
# Not among them are the campaigns that measure time or kill processes:
# `make test-fairness`, `make test-crash` and `make chaos`. The integration suite
# comes first, because it waits more than it computes: the others are compiled and
# run meanwhile.
TESTS ?= ./test/integration ./api/... ./cmd/... ./internal/... ./test/bench/... ./test/chaos/audit ./test/chaos/apifault ./test/docs ./test/generated ./test/histories ./test/layout ./test/leak ./test/plugin ./test/runbooks ./test/upgrade
TESTARGS ?=
TEST_TIMEOUT ?= 30m
# For fuzz: how long each target is run.
FUZZ_FOR ?= 30s
# Vetting as part of the tests would analyse every dependency, too: `make vet`.
TESTFLAGS = -race -vet=off -timeout $(TEST_TIMEOUT) $(TESTARGS)

GO ?= go
KUBECTL ?= kubectl
CONTAINER_TOOL ?= docker
PLATFORMS ?= linux/amd64,linux/arm64
# For vuln: the vulnerability database. As it is here, the check needs no network
# and has the same result every time; VULNDB= asks the public one of today.
VULNDB ?= file://$(CURDIR)/bin/vulndb

LDFLAGS = -s -w -X main.version=$(VERSION)
EXE := $(shell $(GO) env GOEXE)
CONTROLLER_GEN = bin/controller-gen$(EXE)
KUSTOMIZE = bin/kustomize$(EXE)
APIDOCS = bin/apidocs$(EXE)
CHART = bin/chart$(EXE)
CONTROLPLANE = bin/controlplane$(EXE)
RELEASE = bin/release$(EXE)
BUNDLE = bin/bundle$(EXE)
GOLANGCI_LINT = bin/golangci-lint$(EXE)
ACTIONLINT = bin/actionlint$(EXE)
GOVULNCHECK = bin/govulncheck$(EXE)
VULN = bin/vuln$(EXE)
KUBE_APISERVER = bin/kube/kube-apiserver$(EXE)
ETCD = bin/kube/etcd$(EXE)
KUSTOMIZE_CONTROLLER = bin/kustomize-controller$(EXE)
FLUX_CRDS = bin/flux-crds

# Modules with code of their own, and those of them that are released or make
# what is released.
MODULES = . hack/bundle hack/controlplane hack/release hack/tools hack/vuln test/chart test/gitops test/monitoring
RELEASED_MODULES = . hack/bundle hack/controlplane hack/release

.DEFAULT_GOAL := help

##@ Daily

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"; printf "Usage:\n  make \033[36m<target>\033[0m\n"} /^[a-zA-Z_0-9-]+:.*?##/ { printf "  \033[36m%-20s\033[0m %s\n", $$1, $$2 } /^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) }' $(firstword $(MAKEFILE_LIST))

.PHONY: test
test: controlplane ## Run all tests, with the race detector. TESTS and TESTARGS narrow it down.
	@echo "Compiling the tests with the race detector; the first time this takes some minutes."
	$(GO) test $(TESTFLAGS) $(TESTS)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint over all modules. MODULES=. narrows it down.
	@failed=; for module in $(MODULES); do \
		echo "== golangci-lint in $$module"; \
		(cd $$module && GOFLAGS="$$GOFLAGS -trimpath" $(CURDIR)/$(GOLANGCI_LINT) run -c $(CURDIR)/.golangci.yml) || failed="$$failed $$module"; \
	done; [ -z "$$failed" ] || { echo "golangci-lint has findings in:$$failed"; exit 1; }

.PHONY: fmt
fmt: ## Format the code.
	$(GO) fmt ./...

.PHONY: vet
vet: ## Vet the code.
	$(GO) vet -trimpath ./...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate CRDs and the manager's roles.
	$(CONTROLLER_GEN) crd rbac:roleName=manager-role paths=./api/... paths=./internal/controller/... output:crd:artifacts:config=config/crd/bases

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate deep copies.
	$(CONTROLLER_GEN) object paths=./api/...

.PHONY: api-docs
api-docs: $(APIDOCS) manifests ## Generate the tables of fields in docs/.
	$(APIDOCS)

.PHONY: chart
chart: $(CHART) manifests ## Generate what the Helm chart has from config/ and its schema of values.
	$(CHART)

.PHONY: verify-generated
verify-generated: ## Fail if anything generated is stale.
	$(GO) test -count=1 $(TESTFLAGS) ./test/generated

.PHONY: build
build: manager ## Build the manager.

.PHONY: demo
demo: controlplane manager consolesim ## Show it all on this machine: control plane, console, operator. ARGS=--once ends by itself.
	$(GO) build -trimpath -o bin/demo$(EXE) ./cmd/demo
	@echo "Starting the demo."
	@exec bin/demo$(EXE) $(ARGS)

##@ Suites and campaigns

.PHONY: test-controlplane
test-controlplane: ## Run the tests of the control plane, a module of its own.
	cd hack/controlplane && $(GO) test -trimpath -timeout $(TEST_TIMEOUT) $(TESTARGS) ./...

.PHONY: test-monitoring
test-monitoring: controlplane manager consolesim ## Run the tests of alerts and dashboard with Prometheus' code, a module of its own.
	cd test/monitoring && $(GO) test -trimpath -vet=off -timeout $(TEST_TIMEOUT) $(TESTARGS) ./...

.PHONY: test-release
test-release: ## Run the tests of images, SBOMs, the bundle and the check for vulnerabilities, modules of their own.
	cd hack/release && $(GO) test -trimpath -vet=off $(TESTARGS) ./...
	cd hack/bundle && $(GO) test -trimpath -vet=off $(TESTARGS) ./...
	cd hack/vuln && $(GO) test -trimpath -vet=off $(TESTARGS) .

.PHONY: test-chart
test-chart: controlplane ## Run the tests of the Helm chart with Helm's code, a module of its own.
	cd test/chart && $(GO) test -trimpath -vet=off -timeout $(TEST_TIMEOUT) $(TESTARGS) ./...

.PHONY: test-gitops
test-gitops: controlplane $(KUSTOMIZE_CONTROLLER) $(FLUX_CRDS) ## Run the tests with what Argo CD and Flux are made of, modules of their own.
	cd test/gitops && $(GO) test $(TESTFLAGS) ./...

# Flux's own controller, and the CRDs that it needs.
FLUX = test/gitops/controllers

$(KUSTOMIZE_CONTROLLER): $(FLUX)/go.mod $(FLUX)/go.sum
	@echo "Building Flux's kustomize-controller; the first time this takes some minutes."
	$(GO) build -C $(FLUX) -trimpath -ldflags="-s -w" -o ../../../$@ github.com/fluxcd/kustomize-controller

$(FLUX_CRDS): $(FLUX)/go.mod $(CONTROLLER_GEN)
	cd $(FLUX) && ../../../$(CONTROLLER_GEN) crd output:crd:dir=../../../$@ \
		paths=github.com/fluxcd/kustomize-controller/api/v1 paths=github.com/fluxcd/source-controller/api/v1
	@touch $@

.PHONY: test-kube
test-kube: TESTS = ./test/integration ./test/plugin ./test/upgrade
test-kube: $(if $(KUBEBUILDER_ASSETS),,$(KUBE_APISERVER) $(ETCD)) ## Run the integration suites against kube-apiserver and etcd: those in KUBEBUILDER_ASSETS, or built here, which takes a while.
	KUBEBUILDER_ASSETS="$(abspath $(or $(KUBEBUILDER_ASSETS),bin/kube))" USE_EXISTING_CLUSTER=false $(GO) test -count=1 $(TESTFLAGS) $(TESTS)

# Without -X it would call itself v0.0.0.
$(KUBE_APISERVER): hack/kube/go.mod hack/kube/go.sum
	@echo "Building kube-apiserver; the first time this takes ten minutes, or an hour on a busy machine."
	version=$$($(GO) list -C hack/kube -m -f '{{.Version}}' k8s.io/kubernetes) && \
		$(GO) build -C hack/kube -trimpath -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$$version" -o ../../$@ k8s.io/kubernetes/cmd/kube-apiserver

$(ETCD): hack/kube/go.mod hack/kube/go.sum
	@echo "Building etcd; the first time this takes some minutes."
	$(GO) build -C hack/kube -trimpath -ldflags="-s -w" -o ../../$@ go.etcd.io/etcd/server/v3

.PHONY: test-cluster
test-cluster: controlplane ## Run all tests against the cluster of the current kubeconfig.
	USE_EXISTING_CLUSTER=true $(GO) test $(TESTFLAGS) $(TESTS)

.PHONY: test-crash
test-crash: controlplane ## Kill managers 200 times while 2,000 objects are being applied; takes about ten minutes.
	$(GO) test -trimpath -vet=off -count=1 -v -timeout 30m ./test/crash -kills 200 -roles 2000 -teams 100

# How long it lasts, and what it is drawn from, e.g. make chaos CHAOS_FOR=30m SEED=7
CHAOS_FOR ?= 5m
# For chaos and test-histories: what to draw again.
SEED ?=

.PHONY: chaos
chaos: controlplane ## Make everything fail while objects change, for CHAOS_FOR (5m); SEED=N draws the same again.
	$(GO) test -trimpath -vet=off -count=1 -v -timeout 0 ./test/chaos -for $(CHAOS_FOR) -seed $(or $(SEED),0) $(TESTARGS)

# How many, e.g. make test-histories HISTORIES=2000
HISTORIES ?= 10000

# -v shows progress when it is made; of its tens of thousands of lines on what
# began and passed, those of whole tests are kept.
test-histories: SHELL = bash
test-histories: .SHELLFLAGS = -o pipefail -c
.PHONY: test-histories
test-histories: ## Run HISTORIES (10,000) random histories on virtual time, and what can be explored exhaustively. SEED=n replays one.
	$(GO) test -trimpath -vet=off -count=1 -v -timeout 30m ./test/histories $(if $(SEED),-run TestHistories -seed $(SEED),-histories $(HISTORIES) -depth 2 -record-depth 5) | \
		awk '!/^=== |^ +--- PASS/ { print; fflush() }'

.PHONY: test-fairness
test-fairness: controlplane ## One object beside 5,000 that wait.
	$(GO) test -trimpath -vet=off -count=1 -v -timeout 30m ./test/fairness -busy 5000

.PHONY: fuzz-seeds
fuzz-seeds: ## Run the seeds of every fuzz test, without fuzzing.
	@dirs=$$(grep -rl --include='*_test.go' '^func Fuzz' api cmd internal test | xargs -n 1 dirname | sort -u | sed 's|^|./|'); \
		[ -n "$$dirs" ] || { echo 'there are no fuzz tests'; exit 1; }; \
		$(GO) test $(TESTFLAGS) -run '^Fuzz' $$dirs

.PHONY: fuzz
fuzz: ## Fuzz every target, one after the other, each for FUZZ_FOR (30s).
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' api cmd internal test | xargs -n 1 dirname | sort -u); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' $$dir/*_test.go); do \
			echo "== $$name in $$dir for $(FUZZ_FOR)"; \
			$(GO) test -vet=off -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_FOR) ./$$dir || exit 1; \
		done; \
	done

.PHONY: bench
bench: controlplane manager ## Measure roll-outs, steady state and limiter; figures in bin/bench.json. BENCH=quick takes four minutes; BENCH=huge: 50,000 objects.
	$(GO) build -trimpath -o bin/bench-baseline$(EXE) ./test/bench/baseline
	$(GO) build -trimpath -o bin/bench$(EXE) ./test/bench
	@bin/bench$(EXE) $(if $(BENCH),-plan $(BENCH)) $(ARGS)

.PHONY: lint-fix
lint-fix: $(GOLANGCI_LINT) ## Run golangci-lint and let it repair what it can.
	$(GOLANGCI_LINT) run --fix

# shellcheck and pyflakes, which it would use if they are there, are not pinned.
.PHONY: lint-workflows
lint-workflows: $(ACTIONLINT) ## Run actionlint over .github/workflows.
	$(ACTIONLINT) -shellcheck= -pyflakes=

.PHONY: vuln
vuln: $(VULN) $(GOVULNCHECK) $(if $(VULNDB),bin/vulndb/index/db.json) ## Fail if a module calls a function with a known vulnerability. VULNDB= asks today's database.
	$(VULN) -govulncheck $(GOVULNCHECK) $(if $(VULNDB),-db $(VULNDB)) $(RELEASED_MODULES)

.PHONY: dashboard-picture
dashboard-picture: controlplane manager consolesim ## Draw docs/images/dashboard.svg from the metrics of a manager's eight busy minutes.
	cd test/monitoring && $(GO) test -trimpath -vet=off -count=1 -timeout $(TEST_TIMEOUT) -run '^TestQueriesAreAnswered$$' . \
		-args -picture ../../docs/images/dashboard.svg

##@ Releases

.PHONY: docker-build
docker-build: ## Build the image IMG.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) -t $(IMG) .

.PHONY: docker-push
docker-push: ## Push the image IMG.
	$(CONTAINER_TOOL) push $(IMG)

.PHONY: docker-buildx
docker-buildx: ## Build and push the image IMG for PLATFORMS.
	$(CONTAINER_TOOL) buildx build --push --platform=$(PLATFORMS) --build-arg VERSION=$(VERSION) -t $(IMG) .

# PLATFORMS, to loop over, and the managers that are built for them.
comma := ,
EACH_PLATFORM = $(subst $(comma), ,$(PLATFORMS))
STATIC_MANAGERS = $(foreach platform,$(EACH_PLATFORM),dist/manager-$(subst /,-,$(platform)))

REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# In seconds since 1970: the time of everything in the image.
COMMITTED = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

.PHONY: image
image: $(RELEASE) ## Write the image for PLATFORMS to dist/image, an OCI layout, and SBOMs to dist/sbom. Needs no Docker.
	@for platform in $(EACH_PLATFORM); do \
		echo "Building the manager for $$platform; the first time this takes some minutes."; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} \
			$(GO) build -trimpath -ldflags="$(LDFLAGS)" -o dist/manager-$${platform%/*}-$${platform#*/} ./cmd || exit 1; \
	done
	$(RELEASE) image --version $(VERSION) --revision $(REVISION) --created $(COMMITTED) --layout dist/image --sbom dist/sbom $(STATIC_MANAGERS)

.PHONY: image-push
image-push: $(RELEASE) ## Push dist/image as IMG, with the credentials that docker login keeps. Needs no Docker.
	@case "$(IMG)" in */*) ;; *) echo 'say where to: make image-push IMG=REGISTRY/console-access-operator:TAG'; exit 2;; esac
	$(RELEASE) push --layout dist/image $(IMG)

.PHONY: bundle
bundle: manifests installer $(BUNDLE) ## Write a bundle for the Operator Lifecycle Manager, with the image IMG, to dist/bundle.
	$(KUSTOMIZE) build dist/installer | $(BUNDLE) --base config/manifests/bases/console-access-operator.clusterserviceversion.yaml \
		--samples config/samples --version $(BUNDLE_VERSION) --out dist/bundle

.PHONY: build-installer
build-installer: manifests generate $(KUSTOMIZE) installer ## Write dist/install.yaml: everything a cluster needs.
	$(KUSTOMIZE) build dist/installer > dist/install.yaml

# config/default with the image IMG, without touching the tree.
.PHONY: installer
installer: $(KUSTOMIZE)
	@mkdir -p dist/installer
	@printf 'resources:\n- ../../config/default\n' > dist/installer/kustomization.yaml
	cd dist/installer && ../../$(KUSTOMIZE) edit set image controller=$(IMG)

##@ Programs and deployment

# All programs are built with -trimpath, so that they share what is compiled.
.PHONY: manager
manager:
	@echo "Building the manager; the first time this takes some minutes."
	$(GO) build -trimpath -ldflags="$(LDFLAGS)" -o bin/manager$(EXE) ./cmd

.PHONY: consolesim
consolesim: ## Build the simulated console.
	$(GO) build -trimpath -ldflags="-s -w" -o bin/consolesim$(EXE) ./cmd/consolesim

.PHONY: plugin
plugin: ## Build the kubectl plugin `kubectl console-access`.
	$(GO) build -trimpath -ldflags="$(LDFLAGS)" -o bin/kubectl-console_access$(EXE) ./cmd/kubectl-console_access

.PHONY: controlplane
controlplane: $(CONTROLPLANE) ## Build the small Kubernetes API server for demo and tests.

# Built anew only when its own sources change: linking it takes a while.
$(CONTROLPLANE): $(filter-out %_test.go,$(wildcard hack/controlplane/*.go)) hack/controlplane/go.mod hack/controlplane/go.sum
	@echo "Building the control plane; the first time this takes some minutes."
	cd hack/controlplane && $(GO) build -trimpath -ldflags="-s -w" -o ../../$@ .

.PHONY: run
run: ## Run the manager against the current kubeconfig.
	$(GO) run -trimpath -ldflags="$(LDFLAGS)" ./cmd --operator-namespace=$(OPERATOR_NAMESPACE) $(ARGS)

ignore-not-found ?= false

.PHONY: install
install: manifests $(KUSTOMIZE) ## Install the CRDs into the current cluster.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) apply -f -

.PHONY: uninstall
uninstall: manifests $(KUSTOMIZE) ## Remove the CRDs, and so all Teams, UserRoles and ConsoleConnections.
	$(KUSTOMIZE) build config/crd | $(KUBECTL) delete --ignore-not-found=$(ignore-not-found) -f -

.PHONY: deploy
deploy: manifests installer ## Install CRDs and the manager (IMG) into the current cluster.
	$(KUSTOMIZE) build dist/installer | $(KUBECTL) apply -f -

.PHONY: undeploy
undeploy: $(KUSTOMIZE) ## Remove CRDs and the manager from the current cluster.
	$(KUSTOMIZE) build config/default | $(KUBECTL) delete --ignore-not-found=$(ignore-not-found) -f -

##@ Tools

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin dist

.PHONY: tools
tools: $(CONTROLLER_GEN) $(KUSTOMIZE) $(APIDOCS) $(CHART) $(GOLANGCI_LINT) $(ACTIONLINT) $(GOVULNCHECK) ## Build the tools that the go.mod files in hack name.

$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	$(GO) build -C hack/tools -trimpath -o ../../$@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(KUSTOMIZE): hack/tools/go.mod hack/tools/go.sum
	$(GO) build -C hack/tools -trimpath -o ../../$@ sigs.k8s.io/kustomize/kustomize/v5

$(APIDOCS): $(wildcard hack/tools/apidocs/*.go) hack/tools/go.mod hack/tools/go.sum
	$(GO) build -C hack/tools -trimpath -o ../../$@ ./apidocs

$(RELEASE): $(filter-out %_test.go,$(wildcard hack/release/*.go)) hack/release/go.mod hack/release/go.sum
	$(GO) build -C hack/release -trimpath -o ../../$@ .

$(BUNDLE): $(filter-out %_test.go,$(wildcard hack/bundle/*.go)) hack/bundle/go.mod hack/bundle/go.sum
	$(GO) build -C hack/bundle -trimpath -o ../../$@ .

$(CHART): $(wildcard hack/tools/chart/*.go) hack/tools/go.mod hack/tools/go.sum
	$(GO) build -C hack/tools -trimpath -o ../../$@ ./chart

$(GOLANGCI_LINT): hack/lint/go.mod hack/lint/go.sum
	@echo "Building golangci-lint; the first time this takes some minutes."
	$(GO) build -C hack/lint -trimpath -o ../../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(ACTIONLINT): hack/actionlint/go.mod hack/actionlint/go.sum
	$(GO) build -C hack/actionlint -trimpath -o ../../$@ github.com/rhysd/actionlint/cmd/actionlint

$(GOVULNCHECK): hack/vuln/go.mod hack/vuln/go.sum
	$(GO) build -C hack/vuln -trimpath -o ../../$@ golang.org/x/vuln/cmd/govulncheck

$(VULN): hack/vuln/main.go hack/vuln/go.mod
	$(GO) build -C hack/vuln -trimpath -o ../../$@ .

# The reports are in the module golang.org/x/vulndb, whose own program makes of
# them what govulncheck reads.
bin/vulndb/index/db.json: hack/vuln/go.mod hack/vuln/go.sum
	@echo "Making the vulnerability database; the first time this takes some minutes."
	$(GO) build -C hack/vuln -trimpath -o ../../bin/indexdb$(EXE) golang.org/x/vulndb/cmd/indexdb
	rm -rf bin/vulndb
	bin/indexdb$(EXE) -vulns "$$($(GO) list -C hack/vuln -m -f '{{.Dir}}' golang.org/x/vulndb)/data/osv" -out bin/vulndb
