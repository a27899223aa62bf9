#!/usr/bin/env bash
# Runs tests under sanitizers, which see what a test alone does not:
#   tools/sanitize.sh address    the byte code (columns, memory, module): reads and writes beyond what is theirs
#   tools/sanitize.sh thread     what threads share (registry, watchdog, scopes): accesses that nothing orders
# Sanitizers are switched on in the stable compiler with RUSTC_BOOTSTRAP. The thread sanitizer needs std built with it, else it
# reports what std does: that takes the sources of std, from `rustup component add rust-src` or, where that is out of reach, the
# toolchain of tools/wasm-toolchain.sh. Extra arguments go to the tests. Takes some ten minutes to build, each.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0
host=$(rustc -vV | sed -n 's/^host: //p')
: "${CARGO_TARGET_DIR:=target/sanitize}"
which=${1:-}; shift || true
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR/$which

case $which in
  address)
    export RUSTFLAGS='-Zsanitizer=address'
    # Guests trap by signals, which are wasmtime's. What lives until the process ends is no leak.
    export ASAN_OPTIONS=handle_segv=0:handle_sigill=0:handle_sigfpe=0:handle_sigbus=0:allow_user_segv_handler=1:detect_leaks=0
    cargo test --package wasmfusion --lib --target "$host" -- columns:: memory:: module:: "$@"
    ;;
  thread)
    cargo=(cargo)
    flags=(-Zsanitizer=thread)
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
      # That compiler comes without the sanitizer's runtime; the one of the usual toolchain, of the same LLVM, does.
      tools/wasm-toolchain.sh
      runtime=$(ls "$(rustc --print sysroot)/lib/rustlib/$host/lib/"librustc-*_rt.tsan.a)
      flags+=(-Zexternal-clangrt)
      for argument in --whole-archive "$runtime" --no-whole-archive --export-dynamic; do
        flags+=("-Zpre-link-arg=-Wl,$argument")
      done
      prefix=${WASM_TOOLCHAIN_DIR:-$HOME/.local/share/wasm-guest-toolchain}
      cargo=("$prefix/bin/cargo")
    fi
    export RUSTFLAGS="${flags[*]}"
    # A report fails the tests at the end; all of them are shown. Deadlocks are looked for, too. wasmtime's handler of signals allocates:
    # only guest code is interrupted by them, and that is never inside of the allocator.
    export TSAN_OPTIONS=second_deadlock_stack=1:report_signal_unsafe=0
    "${cargo[@]}" test --package wasmfusion-sql-tests --test threads --target "$host" -Zbuild-std -- --test-threads 1 "$@"
    ;;
  *)
    echo 'usage: tools/sanitize.sh address|thread [TEST ARGUMENTS]' >&2
    exit 2
    ;;
esac
