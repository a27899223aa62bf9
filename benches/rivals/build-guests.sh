#!/usr/bin/env bash
# Builds the guests of the rivals bench to WebAssembly, into benches/rivals/built, whose files are committed.
#
#   benches/rivals/build-guests.sh
#
# All of them with the profile and the target features that the project's own plugins have (tools/build-plugins.sh). The stack is 64 KiB for those
# that ask for no more, and Rust's own 1 MiB for the guests of arrow-udf and Extism, as their documentation builds them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
target=wasm32-unknown-unknown
log() { printf 'build-guests: %s\n' "$*" >&2; }

# The toolchain of tools/wasm-toolchain.sh if it is there, else the usual one.
cargo=(cargo)
if command -v rustup >/dev/null && rustup run wasm cargo -V >/dev/null 2>&1; then cargo=(cargo +wasm); fi

flags=(-Ctarget-feature=+simd128 "--remap-path-prefix=$root=.")
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
  [ ! -d "$registry" ] || flags+=("--remap-path-prefix=${registry%/}=/crates")
done
export CARGO_INCREMENTAL=0
mkdir -p "$here/built"

# build FOLDER GUEST [FLAG...]: a guest of the workspace in the folder.
build() {
  local folder=$1 guest=$2 built name
  shift 2
  name=${guest//-/_}
  built=${CARGO_TARGET_DIR:-$folder/target}/$target/plugin/rivals_guest_$name.wasm
  CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf '%s' "${flags[*]}${*:+$'\x1f'$*}")
  export CARGO_ENCODED_RUSTFLAGS
  "${cargo[@]}" build --quiet --locked --profile plugin --target "$target" --lib \
    --manifest-path "$folder/Cargo.toml" --package "rivals-guest-$guest"
  if LC_ALL=C grep -aqF -e "$root/" -e "$HOME/" "$built"; then
    log "$guest: a path of this machine is in the module"; return 1
  fi
  install -m 644 "$built" "$here/built/$name.wasm"
  log "$guest: $(wc -c <"$built") bytes"
}

build "$here" wasmfusion -Clink-arg=-zstack-size=65536
build "$here" plain -Clink-arg=-zstack-size=65536
build "$here/peers" arrow-udf
build "$here/peers" extism
