#!/usr/bin/env bash
# Makes sure that plugins can be built, which takes a Rust toolchain with the target wasm32-unknown-unknown.
#
#   tools/wasm-toolchain.sh
#
# Where rustup can download the target, that is all it does. Elsewhere (no rustup, or a network that has package mirrors
# only) it makes a second toolchain from Debian's packages rustc-web, cargo-web and rust-web-src: unpacked into a folder of
# its own, nothing installed, the Rust that is there left as it is. The standard library for wasm32 is then built from its
# source, once, in about two minutes. If there is rustup, the toolchain gets the name `wasm`:
#
#   cargo +wasm build --profile plugin --target wasm32-unknown-unknown
#
# It can be run again at any time. To update the toolchain, delete its folder first.
#
#   WASM_TOOLCHAIN_DIR    the folder; ~/.local/share/wasm-guest-toolchain without it
#   WASM_TOOLCHAIN_NAME   the name for rustup; wasm without it
set -euo pipefail

target=wasm32-unknown-unknown
name=${WASM_TOOLCHAIN_NAME:-wasm}
prefix=${WASM_TOOLCHAIN_DIR:-$HOME/.local/share/wasm-guest-toolchain}
log() { printf 'wasm-toolchain: %s\n' "$*" >&2; }
die() { log "$*"; exit 1; }

# Whether a rustc can make a module with std in it.
works() {
  local folder result=0
  folder=$(mktemp -d)
  cat >"$folder/probe.rs" <<'RUST'
#[unsafe(no_mangle)]
pub extern "C" fn probe(number: usize) -> usize {
    number.to_string().len()
}
RUST
  "$@" --edition 2024 --crate-type cdylib -O -Clto -Cpanic=abort --target "$target" -o "$folder/probe.wasm" \
    "$folder/probe.rs" 2>"$folder/log" || result=1
  # Every module begins with these bytes.
  [ "$result" = 0 ] && [ "$(head -c 4 "$folder/probe.wasm" | od -An -tx1 | tr -d ' ')" = 0061736d ] || result=1
  rm -rf "$folder"
  return "$result"
}

# 1. The usual way.
if command -v rustup >/dev/null && { rustup target list --installed 2>/dev/null | grep -qx "$target" ||
  timeout 300 rustup target add "$target" >/dev/null 2>&1; } && works rustc; then
  log "ready: cargo build --target $target"
  exit 0
fi

# 2. The other way needs Debian's tools. One at a time, since it may be started twice.
log "rustup cannot add $target here; making a toolchain in $prefix"
for tool in apt-get apt-cache dpkg-deb flock; do
  command -v "$tool" >/dev/null || die "there is no $tool, and so no other way to get $target"
done
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd -P)
exec 9>"$prefix/.lock"
flock 9
debian=$prefix/debian
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# Downloads packages into a folder. apt checks their signatures; that it runs as root there is not worth a word.
download() {
  local folder=$1
  shift
  (cd "$folder" && apt-get download -qq "$@" 2> >(grep -v unsandboxed >&2))
}

unpack_packages() {
  local version llvm packages package archive host only
  if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo -n apt-get update -qq || log "using the lists of packages as they are"; fi
  version=$(apt-cache policy rustc-web | awk '/Candidate:/ {print $2}')
  [ -n "$version" ] && [ "$version" != '(none)' ] || die "apt knows no package rustc-web"
  llvm=$(apt-cache show "rust-web-llvm=$version" | sed -n 's/^Depends:.*llvm-\([0-9]*\).*/\1/p' | head -n 1)
  [ -n "$llvm" ] || die "cannot tell which LLVM rustc-web $version wants"
  packages=(rustc-web cargo-web rust-web-src libstd-rust-web-dev "libstd-rust-web-$(cut -d. -f1,2 <<<"$version")"
    "libllvm$llvm" "lld-$llvm")
  # ... and those of their dependencies that are not installed here.
  mapfile -t packages < <({
    printf '%s\n' "${packages[@]}"
    apt-get install -s --no-install-recommends "${packages[@]}" 2>/dev/null | awk '/^Inst/ {print $2}'
  } | sort -u)
  log "downloading rustc-web $version: ${packages[*]}"
  work=$(mktemp -d "$prefix/download.XXXXXX")
  download "$work" "${packages[@]}"
  rm -rf "$debian"
  mkdir -p "$debian"
  for package in "${packages[@]}"; do
    archive=("$work/$package"_*.deb)
    [ -e "${archive[0]}" ] || die "could not download $package"
    only=()
    # Of the sources, the standard library's are enough.
    [ "$package" != rust-web-src ] || only=('./usr/src/rustc-*/library/*' './usr/lib/rustlib/src/*')
    dpkg-deb --fsys-tarfile "${archive[0]}" | tar -x -C "$debian" --exclude './usr/share/*' --wildcards "${only[@]}"
  done
  host=$(basename "$debian"/usr/lib/rustlib/*-linux-gnu)
  mkdir -p "$debian/usr/lib/rustlib/$host/bin"
  ln -sfn "../../../llvm-$llvm/bin/lld" "$debian/usr/lib/rustlib/$host/bin/rust-lld"
  rm -rf "$work"
  work=
  touch "$debian/.complete"
}

# rustc, rustdoc and cargo under names that rustup expects, which find their libraries, their sysroot and each other.
write_wrappers() {
  local tool setup arguments libraries
  mkdir -p "$prefix/bin"
  ln -sfn debian/usr/lib "$prefix/lib"
  libraries=$(dirname "$debian"/usr/lib/*/librustc_driver-*.so)
  for tool in rustc rustdoc cargo; do
    setup=: arguments="--sysroot '$debian/usr'"
    if [ "$tool" = cargo ]; then
      setup="export RUSTC='$prefix/bin/rustc' RUSTDOC='$prefix/bin/rustdoc'" arguments=
    fi
    cat >"$prefix/bin/$tool.new" <<SH
#!/bin/sh
export LD_LIBRARY_PATH='$libraries'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
$setup
exec '$debian/usr/bin/$tool' $arguments "\$@"
SH
    chmod +x "$prefix/bin/$tool.new"
    mv -f "$prefix/bin/$tool.new" "$prefix/bin/$tool"
  done
}

build_std() {
  local source=$debian/usr/lib/rustlib/src/rust folder=$debian/usr/lib/rustlib/$target commit
  commit=$("$prefix/bin/rustc" -vV | sed -n 's/^commit-hash: //p')
  log "building the standard library for $target"
  work=$(mktemp -d "$prefix/build.XXXXXX")
  mkdir "$work/src"
  echo '#![no_std]' >"$work/src/lib.rs"
  printf '%s\n' '[package]' 'name = "empty"' 'edition = "2024"' '[workspace]' >"$work/Cargo.toml"
  # Offline, since what std depends on comes with its source, and with none of the caller's settings for cargo.
  # embed-bitcode lets plugins use LTO; the remapped path keeps this machine's out of them; RUSTC_BOOTSTRAP is for
  # -Zbuild-std, which is needed nowhere else.
  (cd "$work" &&
    env -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER \
      RUSTC_BOOTSTRAP=1 CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target" CARGO_INCREMENTAL=0 \
      RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$source=/rustc/$commit" \
      "$prefix/bin/cargo" build --quiet --release --target "$target" --offline \
      --config 'source.crates-io.replace-with = "vendor"' \
      --config "source.vendor.directory = \"$source/library/vendor\"" \
      -Zbuild-std=core,alloc,std,panic_abort,panic_unwind,proc_macro,test)
  rm -f "$work/target/$target/release/deps/"libempty-*
  rm -rf "$folder"
  mkdir -p "$folder/lib"
  cp "$work/target/$target/release/deps/"lib*.rlib "$folder/lib/"
  rm -rf "$work"
  work=
  touch "$folder/.complete"
}

[ -e "$debian/.complete" ] || unpack_packages
write_wrappers
# A folder that an earlier version of this script made has the other mark.
std=$debian/usr/lib/rustlib/$target
[ -e "$std/.complete" ] || [ -e "$std/.built" ] || build_std

works "$prefix/bin/rustc" || die "the toolchain in $prefix makes no modules; delete the folder and try again"
if command -v rustup >/dev/null; then
  rustup toolchain link "$name" "$prefix"
  log "ready: cargo +$name build --target $target"
else
  log "ready: $prefix/bin/cargo build --target $target"
fi
