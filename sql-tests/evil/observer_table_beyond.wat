;; An observer that opens a table whose name is not in its memory.
;; expect failed: an address that is not its own
(module
  (import "wasmfusion" "table_open" (func $open (param i32 i32 i32) (result i64)))
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
  ;; The manifest: its address and its length, 210 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\d2\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"kind\": \"observer\", \"event\": \"query_end\", \"params\": [{\"name\": \"rows\", \"type\": \"Int64\"}]}"
    "], \"capabilities\": [\"observe:query\", \"table:write:*\"]}")
  (func (export "evil") (param $frame i32) (result i32)
    (drop (call $open (i32.const -8) (i32.const 64) (i32.const 2)))
    (i32.const 0)))
