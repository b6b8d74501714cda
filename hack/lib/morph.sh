# Sourced: Morph itself on the local cluster: programs built, shim installed, operator and charts in, examples pushed
# and applied. Needs cluster.sh.
# shellcheck shell=bash

OPERATOR_NAMESPACE=morph-system
AGENT_NAMESPACE=morph-node
RELEASE=$CARGO_TARGET_DIR/release
GUESTS=$CARGO_TARGET_DIR/guests
# The host that examples name; here it stands for the local registry.
EXAMPLE_REGISTRY=registry.example

need_rust() {
	command -v cargo >/dev/null || die "cargo: not found; install Rust (https://rustup.rs); rust-toolchain.toml pins it"
	(cd "$MORPH_ROOT" && cargo --version >/dev/null) || die "the Rust of rust-toolchain.toml is not there and did not install"
}

build_programs() {
	say "building operator, shim and cli"
	# The whole workspace, as the tests are built: features of shared crates are the same, so they compile once.
	(cd "$MORPH_ROOT" && cargo build --release --locked --workspace --bins)
	say "building the guests"
	"$MORPH_ROOT/hack/guests"
}

push_operator_image() { OPERATOR_DIGEST=$(push_operator "$RELEASE/morph-operator"); }

helm_install() { # RELEASE [ARGUMENTS...]
	local name=$1
	shift
	say "installing the chart $name"
	helm --kubeconfig "$MORPH_STATE/admin.kubeconfig" upgrade --install "$name" "$MORPH_ROOT/charts/$name" \
		--namespace "$OPERATOR_NAMESPACE" "$@" >/dev/null
}

install_charts() {
	kube create namespace "$OPERATOR_NAMESPACE" --dry-run=client -o yaml |
		kube apply --server-side --field-manager=hack -f - >/dev/null
	kube label --overwrite namespace "$OPERATOR_NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null
	helm_install morph-crds
	kube wait --for=condition=Established crd/morphs.hayride.dev --timeout=60s >/dev/null
	helm_install morph --set "image.repository=$REGISTRY/morph/operator,image.tag=dev,image.digest=$OPERATOR_DIGEST" \
		--set "registry.plainHttp={$REGISTRY},registry.allowPrivate={$NODE_ADDRESS/32}" \
		--set admission.requireRuntimeClass=true \
		--set "node.keysDirectory=$NODE_KEYS,node.denialsDirectory=$NODE_DENIALS"
	if ! kube --namespace "$OPERATOR_NAMESPACE" rollout status deployment/morph-operator --timeout=120s >/dev/null; then
		kube --namespace "$OPERATOR_NAMESPACE" get pods >&2
		kube --namespace "$OPERATOR_NAMESPACE" logs deployment/morph-operator --tail=20 >&2 || true
		die "the operator is not available"
	fi
	say "the operator is available"
	wait_for_keys
}

# Before that, the shim refuses every grant. The agent is ready once the node has keys.
wait_for_keys() {
	if ! kube --namespace "$AGENT_NAMESPACE" rollout status daemonset/morph-node --timeout=120s >/dev/null; then
		kube --namespace "$AGENT_NAMESPACE" get pods,configmaps >&2
		kube --namespace "$AGENT_NAMESPACE" logs daemonset/morph-node --tail=20 >&2 || true
		kube --namespace "$OPERATOR_NAMESPACE" logs deployment/morph-operator --tail=20 >&2 || true
		die "the node has no keys"
	fi
	wait_for 10 "public keys in $NODE_KEYS" ls "$NODE_KEYS"/*.pem
	say "the node trusts $(find "$NODE_KEYS" -name '*.pem' | wc -l) key(s)"
}

# NAME:TAG of each component that an example names.
example_images() {
	sed -nE "s#.*$EXAMPLE_REGISTRY/morph/([a-z0-9-]+:[a-z0-9.-]+).*#\1#p" "$MORPH_ROOT"/examples/*/morph.yaml | sort -u
}

push_examples() {
	local image
	for image in $(example_images); do
		[ -f "$GUESTS/${image%%:*}.wasm" ] || die "$GUESTS/${image%%:*}.wasm: not built; an example names it"
		"$RELEASE/morph" push --plain-http "$GUESTS/${image%%:*}.wasm" "$REGISTRY/morph/$image" >/dev/null
	done
	say "pushed $(example_images | wc -l) components to $REGISTRY"
}

apply_example() { # NAME
	sed "s#$EXAMPLE_REGISTRY/#$REGISTRY/#" "$MORPH_ROOT/examples/$1/morph.yaml" |
		kube apply --server-side --field-manager=hack -f - >/dev/null
}

# Waits until Morph $1 is Ready and asks it over its Service; what it answers goes to standard output.
ask_morph() {
	local name=$1 address
	if ! kube wait --for=condition=Ready "morph/$name" --timeout=120s >/dev/null; then
		kube get morph "$name" -o yaml >&2
		kube get pods -l "hayride.dev/morph=$name" -o wide >&2
		die "morph/$name is not Ready"
	fi
	address=$(kube get service "$name" -o jsonpath='{.spec.clusterIP}:{.spec.ports[0].port}')
	wait_for 20 "answer of $name" curl -fsS -m 5 "http://$address/"
	say "morph/$name is Ready; http://$address/ answers:"
	curl -fsS -m 5 "http://$address/"
	echo
}
