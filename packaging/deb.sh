#!/usr/bin/env bash
# Builds Debian's package, and says where it is. Takes cargo-deb: cargo install --locked cargo-deb
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release --package halfopen
halfopen=target/release/halfopen

made=target/packaging
rm -rf "$made"
mkdir -p "$made"
"$halfopen" man --dir "$made/man1"
for shell in bash zsh fish; do
    "$halfopen" completions "$shell" >"$made/halfopen.$shell"
done

# The tree is built with line tables, for benchmarks; a package goes without.
cargo deb --locked --no-build --strip --package halfopen
