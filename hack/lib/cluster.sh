# Sourced: everything that the cluster scripts need, in the order in which it builds on each other.
# shellcheck shell=bash

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
for part in versions tools process pki control node node2 image remove; do
	# shellcheck source=/dev/null
	. "$MORPH_ROOT/hack/lib/$part.sh"
done
unset part
tools_places
PATH=$KUBERNETES_BIN:$HELM_BIN:$PATH
