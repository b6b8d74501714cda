module hayride.dev/morph/bench/static

go 1.26.0
