module hayride.dev/morph/hack/cluster/pause

go 1.26.0
