#!/usr/bin/env bash
# Builds a fuzz target as cargo-fuzz would, makes its corpus, and runs it: TARGET [SECONDS].
set -euo pipefail
cd "$(dirname "$0")"

target=$1
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
cargo +nightly run --quiet --bin seeds
export RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Zsanitizer=address -Cpasses=sancov-module -Ccodegen-units=1
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS=$(echo $RUSTFLAGS)
cargo +nightly build --release --target "$host" --bin "$target"
mkdir -p "artifacts/$target" "corpus/$target"
exec "target/$host/release/$target" "corpus/$target" -artifact_prefix="artifacts/$target/" \
  -max_total_time="${2:-300}" -rss_limit_mb=4096 -timeout=20 -max_len=65536
