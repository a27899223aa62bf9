;; A schema with 2^20 ways through it.
;; expect value: 202
(module
  (import "wasmfusion" "config" (func $config (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 2)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 1016))
  ;; The host's region starts at the second page; memory grows to hold it.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $pages i32)
    (local.set $pages
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const 131071)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 65536))
  ;; The manifest: its address and its length, 1606 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\46\06\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"config\"], "
    "\"config_schema\": {\"$ref\": \"#/$defs/a0\", \"$defs\": {\"a0\": {\"anyOf\": [{\"$ref\": \"#/$defs/a1\"}, {\"$ref\": \"#/$defs/a1\"}]}, \"a1\": {\"anyOf\": [{\"$ref\": \"#/$defs/a2\"}, {\"$ref\": \"#/$defs/a2\"}]}, \"a2\": {\"anyOf\": [{\"$ref\": \"#/$defs/a3\"}, {\"$ref\": \"#/$defs/a3\"}]}, \"a3\": {\"anyOf\": [{\"$ref\": \"#/$defs/a4\"}, {\"$ref\": \"#/$defs/a4\"}]}, \"a4\": {\"anyOf\": [{\"$ref\": \"#/$defs/a5\"}, {\"$ref\": \"#/$defs/a5\"}]}, \"a5\": {\"anyOf\": [{\"$ref\": \"#/$defs/a6\"}, {\"$ref\": \"#/$defs/a6\"}]}, \"a6\": {\"anyOf\": [{\"$ref\": \"#/$defs/a7\"}, {\"$ref\": \"#/$defs/a7\"}]}, \"a7\": {\"anyOf\": [{\"$ref\": \"#/$defs/a8\"}, {\"$ref\": \"#/$defs/a8\"}]}, \"a8\": {\"anyOf\": [{\"$ref\": \"#/$defs/a9\"}, {\"$ref\": \"#/$defs/a9\"}]}, \"a9\": {\"anyOf\": [{\"$ref\": \"#/$defs/a10\"}, {\"$ref\": \"#/$defs/a10\"}]}, \"a10\": {\"anyOf\": [{\"$ref\": \"#/$defs/a11\"}, {\"$ref\": \"#/$defs/a11\"}]}, \"a11\": {\"anyOf\": [{\"$ref\": \"#/$defs/a12\"}, {\"$ref\": \"#/$defs/a12\"}]}, \"a12\": {\"anyOf\": [{\"$ref\": \"#/$defs/a13\"}, {\"$ref\": \"#/$defs/a13\"}]}, \"a13\": {\"anyOf\": [{\"$ref\": \"#/$defs/a14\"}, {\"$ref\": \"#/$defs/a14\"}]}, \"a14\": {\"anyOf\": [{\"$ref\": \"#/$defs/a15\"}, {\"$ref\": \"#/$defs/a15\"}]}, \"a15\": {\"anyOf\": [{\"$ref\": \"#/$defs/a16\"}, {\"$ref\": \"#/$defs/a16\"}]}, \"a16\": {\"anyOf\": [{\"$ref\": \"#/$defs/a17\"}, {\"$ref\": \"#/$defs/a17\"}]}, \"a17\": {\"anyOf\": [{\"$ref\": \"#/$defs/a18\"}, {\"$ref\": \"#/$defs/a18\"}]}, \"a18\": {\"anyOf\": [{\"$ref\": \"#/$defs/a19\"}, {\"$ref\": \"#/$defs/a19\"}]}, \"a19\": {\"anyOf\": [{\"$ref\": \"#/$defs/a20\"}, {\"$ref\": \"#/$defs/a20\"}]}, \"a20\": {}}}}")
  (data (i32.const 8192) "text")
  (func $ask (result i64)
    (call $config (i32.const 8192) (i32.const 4) (i32.const 0) (i32.const 0)))
  ;; Every row gets what was said.
  (func (export "evil") (param $frame i32) (result i32)
    (local $said i64) (local $left i32) (local $to i32)
    (local.set $said (call $ask))
    (local.set $left (i32.load (local.get $frame)))
    ;; The values are the second buffer of the result.
    (local.set $to (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
    (block $done
      (loop $row
        (br_if $done (i32.eqz (local.get $left)))
        (i64.store (local.get $to) (local.get $said))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $row)))
    (i32.const 0)))
