;; A run that ends where it starts.
;; expect at call: its run ends do not rise
(module
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
  ;; The manifest: its address and its length, 200 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\c8\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"RunEndEncoded(\\\"run_ends\\\": non-null Int32, \\\"values\\\": Int64)\"}}]}")
  (func (export "evil") (param $frame i32) (result i32) (local $result i32) (local $row i32)
    (local.set $result (i32.load offset=12 (local.get $frame)))
    (i64.store (local.get $result) (i64.load32_u (local.get $frame)))
    (i64.store offset=32 (local.get $result) (i64.const 2))
    (i32.store offset=44 (local.get $result) (i32.const 520))
    (i32.store (i32.const 520) (i32.const 576))
    (i32.store (i32.const 524) (i32.const 640))
    ;; One run that ends at 0.
    (i64.store (i32.const 576) (i64.const 1))
    (i64.store (i32.const 600) (i64.const 2))
    (i32.store (i32.const 616) (i32.const 704))
    (i32.store (i32.const 708) (i32.const 720))
    (i32.store (i32.const 720) (i32.const 0))
    ;; With the value 0.
    (i64.store (i32.const 640) (i64.const 1))
    (i64.store (i32.const 664) (i64.const 2))
    (i32.store (i32.const 680) (i32.const 704))
    (i32.const 0)))
