# Sourced: the versions that the local cluster is built from. A change makes a new place in the cache, so nothing stale
# is ever used. Kubernetes, etcd and runc are pinned by their own go.mod and go.sum under hack/cluster/.
# shellcheck shell=bash

CONTAINERD_VERSION=v2.4.2
CNI_VERSION=v1.9.1
REGISTRY_VERSION=v3.1.2
HELM_VERSION=v4.3.1
# The newest that the Go module proxy has.
METRICS_VERSION=v0.7.2
# Cargo's sub-commands for the tests.
NEXTEST_VERSION=0.9.151
DENY_VERSION=0.20.2
