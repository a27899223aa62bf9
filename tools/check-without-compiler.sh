#!/usr/bin/env bash
# Checks that a host without the compiler runs what was compiled before, and nothing else.
# Usage: check-without-compiler.sh WASMFUSION PLUGINS ARTIFACTS, where PLUGINS has geo.wasm and ARTIFACTS is what `wasmfusion compile` made of it.
set -euo pipefail
wasmfusion=$1 plugins=$2 artifacts=$3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
fail() { echo "a host without the compiler: $1" >&2; cat "$work/out" >&2; exit 1; }

sql='SELECT round(great_circle_km(52.52, 13.41, 48.86, 2.35)) AS km'
run() { "$wasmfusion" -q --format csv --plugins "$plugins" --artifacts "$1" -c "$sql" >"$work/out" 2>&1; }
refused() { grep -q 'is not compiled for this host.*this host has no compiler; run `wasmfusion compile`' "$work/out"; }

run "$artifacts" || fail 'the query fails'
[ "$(cat "$work/out")" = $'km\n878.0' ] || fail 'the answer is wrong'

# Without artifacts the plugin is refused.
run "$work/none" && fail 'a module that was not compiled is run'
refused || fail 'the refusal does not say what to do'

# So is one whose code was damaged, at its first call; the file stays, since it cannot be made anew.
cp -r "$artifacts" "$work/damaged"
file=$(echo "$work"/damaged/*.cwasm)
truncate --size=-1 "$file" && printf '\377' >>"$file"
if cmp -s "$file" "$artifacts/$(basename "$file")"; then truncate --size=-1 "$file" && printf '\0' >>"$file"; fi
run "$work/damaged" && fail 'damaged code is run'
refused || fail 'the refusal of damaged code does not say what to do'
grep -q 'its code was damaged' "$work/out" || fail 'damage is not reported'
[ -f "$file" ] || fail 'what cannot be made anew was removed'

# It compiles nothing itself.
"$wasmfusion" compile "$plugins" --artifacts "$work/none" >"$work/out" 2>&1 && fail 'it compiles'
refused || fail 'what it says of compiling is wrong'
echo 'a host without the compiler: the query is answered from artifacts, all else is refused'
