#!/usr/bin/env bash
# Builds the example plugins to WebAssembly, and the plugin of the workload suite.
#
#   tools/build-plugins.sh [--out DIR] [PLUGIN...]
#
# Without names, all of examples/plugins is built, and benches/suite. DIR is examples/plugins/built by default, and for the
# suite benches/suite, whose files are committed: with --out, CI can build elsewhere and compare. The same sources and the
# same toolchain give the same bytes on every machine, because no path of the machine gets into them; the script fails if
# one does.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
plugins=$root/examples/plugins
target=wasm32-unknown-unknown
out=$plugins/built
names=()
log() { printf 'build-plugins: %s\n' "$*" >&2; }

while [ $# -gt 0 ]; do
  case $1 in
    --out) [ $# -ge 2 ] || { log "--out needs a folder"; exit 2; }; out=$2; shift 2 ;;
    --out=*) out=${1#--out=}; shift ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) log "unknown option $1"; exit 2 ;;
    *) names+=("$1"); shift ;;
  esac
done
if [ ${#names[@]} -eq 0 ]; then
  for manifest in "$plugins"/*/Cargo.toml; do names+=("$(basename "$(dirname "$manifest")")"); done
  names+=(c suite)
fi
mkdir -p "$out"
out=$(cd "$out" && pwd -P)
suite_out=$out
[ "$out" != "$plugins/built" ] || suite_out=$root/benches/suite

# The toolchain of tools/wasm-toolchain.sh if it is there, else the usual one.
cargo=(cargo)
if command -v rustup >/dev/null && rustup run wasm cargo -V >/dev/null 2>&1; then cargo=(cargo +wasm); fi

# What of the machine would get into the files, and what stands there instead.
# A stack of 64 KiB, the linker's own default, not Rust's of 1 MiB: a small guest then has so little memory that it is ready in microseconds.
# Functions are inlined more readily than elsewhere: a call costs more in a guest, where the callee looks whether it must stop, and returns all but
# single numbers through memory.
flags=(-Ctarget-feature=+simd128 -Clink-arg=-zstack-size=65536 -Cllvm-args=-inline-threshold=1000 "--remap-path-prefix=$root=.")
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
  [ ! -d "$registry" ] || flags+=("--remap-path-prefix=${registry%/}=/crates")
done
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf '%s' "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS CARGO_INCREMENTAL=0
built=${CARGO_TARGET_DIR:-$root/target}/$target/plugin

# publish NAME FILE [DIR]: checks a module and puts it in place, with a rename, so that a reader never sees half of it.
publish() {
  local out=${3:-$out}
  if LC_ALL=C grep -aqF -e "$root/" -e "$HOME/" "$2"; then
    log "$1: a path of this machine is in the module"; return 1
  fi
  cp "$2" "$out/.$1.wasm.new"
  chmod 644 "$out/.$1.wasm.new"
  mv -f "$out/.$1.wasm.new" "$out/$1.wasm"
  log "$1: $(wc -c <"$out/$1.wasm") bytes"
}

build_c() {
  local clang object
  for clang in "${CLANG:-clang}" clang-14 clang-16 clang-19; do
    command -v "$clang" >/dev/null && break
  done
  if ! command -v "$clang" >/dev/null || ! "$clang" --print-targets 2>/dev/null | grep -q wasm32; then
    log "c: left out, there is no clang that can make wasm32"; return 0
  fi
  object=$(mktemp)
  "$clang" --target=wasm32 -mbulk-memory -O2 -Wall -Wextra -Werror -nostdlib -Wl,--no-entry -Wl,--strip-debug \
    -o "$object" "$plugins/c/fnv1a.c"
  publish fnv1a "$object"
  rm -f "$object"
}

# What operators grant to them.
if [ "$out" != "$plugins/built" ]; then cp "$plugins"/built/*.toml "$out"; fi

cd "$root"
for name in "${names[@]}"; do
  if [ "$name" = c ]; then build_c; continue; fi
  [ "$name" = suite ] || [ -e "$plugins/$name/Cargo.toml" ] || { log "there is no plugin $name in examples/plugins"; exit 2; }
  # One at a time: together, features of one plugin's dependencies would be switched on for the others as well.
  "${cargo[@]}" build --quiet --locked --profile plugin --target "$target" -p "$name" --lib
  folder=$out
  [ "$name" != suite ] || folder=$suite_out
  publish "$name" "$built/$name.wasm" "$folder"
done
