# Morph's images, each with one static program and nothing else:
#   docker build --target operator .   the operator (default)
#   docker build --target shim .       the node's shim, for whatever installs it: an image volume, a node image
# BASE is any image with the Rust of rust-toolchain.toml and a C compiler.
ARG BASE=rust:1.95.0-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY . .
# Static, so that the last stages need no C library. The target is named, so that build scripts and macros are not.
RUN set -eu; \
    target=$(rustc -vV | sed -n 's/^host: //p'); \
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --release --locked --target "$target" -p morph-operator -p morph-shim; \
    mkdir -p /out/certificates; \
    cp "target/$target/release/morph-operator" "target/$target/release/containerd-shim-morph-v1" /out/; \
    cp /etc/ssl/certs/ca-certificates.crt /out/certificates/

FROM scratch AS shim
COPY --from=build /out/containerd-shim-morph-v1 /containerd-shim-morph-v1
ENTRYPOINT ["/containerd-shim-morph-v1"]

FROM scratch AS operator
COPY --from=build /out/certificates/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/morph-operator /morph-operator
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/morph-operator"]
