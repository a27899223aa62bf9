;; Makes tables until it cannot make any more.
;; expect value: -4
(module
  (import "wasmfusion" "close" (func $close (param i32) (result i64)))
  (import "wasmfusion" "random" (func $random (param i32 i32) (result i64)))
  (import "wasmfusion" "table_open" (func $table_open (param i32 i32 i32) (result i64)))
  (import "wasmfusion" "table_put" (func $table_put (param i32 i32 i32 i32 i32) (result i64)))
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
  ;; The manifest: its address and its length, 188 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\bc\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"random\", \"table:write:*\"]}")
  (data (i32.const 8192) "--------")
  (func $ask (result i64)
    (local $table i32) (local $said i64)
    (loop $more
      ;; Eight letters, of which each is one of sixteen.
      (drop (call $random (i32.const 8192) (i32.const 8)))
      (i64.store (i32.const 8192)
        (i64.add
          (i64.and (i64.load (i32.const 8192)) (i64.const 0x0f0f0f0f0f0f0f0f))
          (i64.const 0x6161616161616161)))
      (local.set $table (i32.wrap_i64 (call $table_open (i32.const 8192) (i32.const 8) (i32.const 2))))
      (local.set $said (call $table_put (local.get $table) (i32.const 8192) (i32.const 8) (i32.const 8192) (i32.const 8)))
      (drop (call $close (local.get $table)))
      (br_if $more (i64.eqz (local.get $said))))
    (local.get $said))
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
