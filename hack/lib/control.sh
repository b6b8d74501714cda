# Sourced: the control plane: etcd, API server, controller manager, scheduler, metrics server. Needs pki.sh, process.sh,
# tools.sh.
# shellcheck shell=bash

start_etcd() {
	keep etcd "$ETCD_BIN/etcd" --name local --data-dir "$MORPH_STATE/etcd" --unsafe-no-fsync --logger zap \
		--listen-client-urls https://127.0.0.1:2379 --advertise-client-urls https://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --client-cert-auth --trusted-ca-file "$PKI/ca.crt" \
		--cert-file "$PKI/etcd.crt" --key-file "$PKI/etcd.key"
}

start_apiserver() {
	keep apiserver "$KUBERNETES_BIN/kube-apiserver" \
		--etcd-servers=https://127.0.0.1:2379 --etcd-cafile="$PKI/ca.crt" \
		--etcd-certfile="$PKI/apiserver-etcd.crt" --etcd-keyfile="$PKI/apiserver-etcd.key" \
		--bind-address="$NODE_ADDRESS" --advertise-address="$NODE_ADDRESS" --secure-port=6443 \
		--service-cluster-ip-range="$SERVICE_CIDR" --cert-dir="$MORPH_STATE/pki" \
		--tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
		--service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" \
		--service-account-signing-key-file="$PKI/sa.key" --authorization-mode=Node,RBAC --anonymous-auth=false \
		--enable-admission-plugins=NodeRestriction --kubelet-client-certificate="$PKI/apiserver-kubelet.crt" \
		--kubelet-client-key="$PKI/apiserver-kubelet.key" --allow-privileged --profiling=false \
		--kubelet-preferred-address-types=InternalIP \
		--requestheader-client-ca-file="$PKI/ca.crt" --requestheader-allowed-names=front-proxy \
		--requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
		--requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file="$PKI/front-proxy.crt" \
		--proxy-client-key-file="$PKI/front-proxy.key" --enable-aggregator-routing
}

start_controllers() {
	# Each controller under its own identity: the chart's admission policy tells them apart.
	keep controller-manager "$KUBERNETES_BIN/kube-controller-manager" --bind-address=127.0.0.1 \
		--kubeconfig="$MORPH_STATE/controller-manager.kubeconfig" --use-service-account-credentials \
		--service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" --leader-elect=false \
		--cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
		--flex-volume-plugin-dir="$MORPH_STATE/volume-plugins" --profiling=false \
		--horizontal-pod-autoscaler-sync-period=5s
	keep scheduler "$KUBERNETES_BIN/kube-scheduler" --bind-address=127.0.0.1 \
		--kubeconfig="$MORPH_STATE/scheduler.kubeconfig" --leader-elect=false --profiling=false
}

# What pods use, for `kubectl top` and HorizontalPodAutoscalers: from the kubelet, every 15 s, which is the least. It
# runs beside the API server, which finds it behind a Service without a selector.
start_metrics() {
	kube apply --server-side --field-manager=hack -f - >/dev/null <<EOF
apiVersion: v1
kind: Service
metadata: { name: metrics-server, namespace: kube-system }
spec: { ports: [{ name: https, port: 443, targetPort: 4443 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: metrics-server
  namespace: kube-system
  labels: { kubernetes.io/service-name: metrics-server }
addressType: IPv4
ports: [{ name: https, port: 4443 }]
endpoints: [{ addresses: ["$NODE_ADDRESS"], conditions: { ready: true } }]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: { name: v1beta1.metrics.k8s.io }
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: $(base64 -w0 "$PKI/ca.crt")
  service: { name: metrics-server, namespace: kube-system }
EOF
	local config=$MORPH_STATE/metrics.kubeconfig
	keep metrics "$METRICS_BIN/metrics-server" --kubeconfig="$config" --authentication-kubeconfig="$config" \
		--authorization-kubeconfig="$config" --bind-address="$NODE_ADDRESS" --secure-port=4443 \
		--tls-cert-file="$PKI/metrics-server.crt" --tls-private-key-file="$PKI/metrics-server.key" \
		--kubelet-insecure-tls --kubelet-preferred-address-types=InternalIP --metric-resolution=15s
}

start_control_plane() {
	start_etcd
	start_apiserver
	WAIT_LOG=$LOG/apiserver.log wait_for 120 "API server" kube get --raw /readyz
	WAIT_LOG=$LOG/apiserver.log wait_for 60 "namespace kube-system" kube get namespace kube-system
	start_controllers
}
