# Sourced: the local cluster's certificates and kubeconfigs, made once for each state directory.
# shellcheck shell=bash

PKI=$MORPH_STATE/pki
NODE_NAME=node1
SERVICE_CIDR=10.96.0.0/16
SERVICE_ADDRESS=10.96.0.1
DAYS=3650

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/$1.key" 2>/dev/null; }

# certificate NAME SUBJECT [EXTENSIONS]
certificate() {
	[ -f "$PKI/$1.crt" ] && return
	new_key "$1"
	openssl req -new -key "$PKI/$1.key" -subj "$2" |
		openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -set_serial "0x$(openssl rand -hex 12)" -days $DAYS \
			-extfile <(printf '%s\n' "${3:-extendedKeyUsage=clientAuth}") -out "$PKI/.$1.crt" 2>/dev/null
	mv "$PKI/.$1.crt" "$PKI/$1.crt"
}

# kubeconfig NAME: $MORPH_STATE/NAME.kubeconfig for the certificate of that name.
kubeconfig() {
	certificate "$1" "$2"
	write_file "$MORPH_STATE/$1.kubeconfig" 0600 <<EOF
apiVersion: v1
kind: Config
current-context: morph
clusters:
- name: morph
  cluster:
    server: https://$NODE_ADDRESS:6443
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$1.crt")
    client-key-data: $(base64 -w0 "$PKI/$1.key")
contexts:
- name: morph
  context: { cluster: morph, user: $1, namespace: default }
EOF
}

make_pki() {
	mkdir -p "$PKI"
	chmod 0700 "$PKI"
	if [ ! -f "$PKI/ca.crt" ]; then
		new_key ca
		openssl req -x509 -key "$PKI/ca.key" -subj /CN=morph-local -days $DAYS -out "$PKI/ca.crt"
	fi
	if [ ! -f "$PKI/sa.pub" ]; then
		new_key sa
		openssl pkey -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"
	fi
	local names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost
	certificate apiserver /CN=kube-apiserver \
		"subjectAltName=$names,IP:127.0.0.1,IP:$NODE_ADDRESS,IP:$SERVICE_ADDRESS"
	certificate etcd /CN=etcd "subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth"
	certificate apiserver-etcd /CN=apiserver
	certificate apiserver-kubelet /O=system:masters/CN=apiserver
	certificate front-proxy /CN=front-proxy
	certificate metrics-server /CN=metrics-server "subjectAltName=DNS:metrics-server.kube-system.svc"
	kubeconfig admin /O=system:masters/CN=admin
	kubeconfig controller-manager /CN=system:kube-controller-manager
	kubeconfig scheduler /CN=system:kube-scheduler
	kubeconfig kubelet "/O=system:nodes/CN=system:node:$NODE_NAME"
	kubeconfig proxy /CN=system:kube-proxy
	kubeconfig metrics /O=system:masters/CN=metrics-server
}
