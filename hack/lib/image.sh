# Sourced: OCI images without a Docker daemon: one layer from a directory, pushed to the local registry over HTTP.
# The same input makes the same digest. Needs jq and curl.
# shellcheck shell=bash

# image_add ROOT FILE [PATH]: copies a program into ROOT, with the dynamic linker and the libraries that it needs.
image_add() {
	local root=$1 file=$2 path=${3:-/$(basename "$2")} library
	install -D -m 0755 "$file" "$root$path"
	{ ldd "$file" 2>/dev/null || true; } | grep -oE '/[^ ]+' | sort -u | while read -r library; do
		[ -e "$root$library" ] || install -D -m 0755 "$(realpath "$library")" "$root$library"
	done
}

image_add_certificates() {
	install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
}

# push_blob REPOSITORY FILE: its digest on standard output.
push_blob() {
	local digest location
	digest=sha256:$(sha256sum "$2" | cut -d' ' -f1)
	if ! curl -fsSI "http://$REGISTRY/v2/$1/blobs/$digest" >/dev/null 2>&1; then
		location=$(curl -fsS -D - -o /dev/null -X POST "http://$REGISTRY/v2/$1/blobs/uploads/" |
			tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
		[ -n "$location" ] || die "$REGISTRY/$1: the registry gave no place to upload to"
		case $location in *\?*) location+="&digest=$digest" ;; *) location+="?digest=$digest" ;; esac
		curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" "$location"
	fi
	echo "$digest"
}

# image_push REPOSITORY TAG ROOT CONFIG-JSON: pushes ROOT as a one-layer image; its digest on standard output.
# CONFIG-JSON is the `config` of the image's configuration (Entrypoint, User, ...).
image_push() {
	local repository=$1 tag=$2 root=$3 work layer config
	work=$(mktemp -d)
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$root" -cf "$work/layer" .
	layer=$(push_blob "$repository" "$work/layer")
	jq -ncS --arg layer "$layer" --argjson config "$4" '{architecture: "amd64", os: "linux", config: $config,
		rootfs: {type: "layers", diff_ids: [$layer]}}' >"$work/config"
	config=$(push_blob "$repository" "$work/config")
	local oci=application/vnd.oci.image
	jq -ncS --arg oci $oci --arg layer "$layer" --argjson layer_size "$(stat -c %s "$work/layer")" \
		--arg config "$config" --argjson config_size "$(stat -c %s "$work/config")" '{schemaVersion: 2,
		mediaType: "\($oci).manifest.v1+json",
		config: {mediaType: "\($oci).config.v1+json", digest: $config, size: $config_size},
		layers: [{mediaType: "\($oci).layer.v1.tar", digest: $layer, size: $layer_size}]}' >"$work/manifest"
	curl -fsS -o /dev/null -X PUT -H "Content-Type: $oci.manifest.v1+json" --data-binary "@$work/manifest" \
		"http://$REGISTRY/v2/$repository/manifests/$tag"
	echo "sha256:$(sha256sum "$work/manifest" | cut -d' ' -f1)"
	rm -r "$work"
}

push_pause() {
	local root
	root=$(mktemp -d)
	install -D -m 0755 "$PAUSE_BIN/pause" "$root/pause"
	image_push pause 1 "$root" '{"Entrypoint": ["/pause"], "User": "65535:65535"}'
	rm -r "$root"
}

# push_operator BINARY: the operator's image; its digest on standard output.
push_operator() {
	local root
	root=$(mktemp -d)
	image_add "$root" "$1" /morph-operator
	image_add_certificates "$root"
	image_push morph/operator dev "$root" '{"Entrypoint": ["/morph-operator"], "User": "65532:65532",
		"Env": ["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]}'
	rm -r "$root"
}
