;; Writes ever new keys into a table.
;; expect at call: ran longer than 100 ms
(module
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
  ;; The manifest: its address and its length, 180 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\b4\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"table:write:own\"]}")
  (data (i32.const 8192) "own")
  (func (export "evil") (param $frame i32) (result i32)
    (local $table i32) (local $key i64)
    (local.set $table (i32.wrap_i64 (call $table_open (i32.const 8192) (i32.const 3) (i32.const 2))))
    (loop $again
      (local.set $key (i64.add (local.get $key) (i64.const 1)))
      (i64.store (i32.const 16384) (local.get $key))
      (drop (call $table_put (local.get $table) (i32.const 16384) (i32.const 8) (i32.const 16384) (i32.const 4096)))
      (br $again))
    (unreachable)))
