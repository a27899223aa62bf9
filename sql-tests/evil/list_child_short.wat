;; A list refers to more values than its child has.
;; expect at call: are referred to, its length is 1
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
  ;; The manifest: its address and its length, 149 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\95\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"List(Int64)\"}}]}")
  (func (export "evil") (param $frame i32) (result i32) (local $result i32) (local $row i32)
    (local.set $result (i32.load offset=12 (local.get $frame)))
    (i64.store (local.get $result) (i64.load32_u (local.get $frame)))
    (i64.store offset=24 (local.get $result) (i64.const 2))
    (i64.store offset=32 (local.get $result) (i64.const 1))
    (i32.store offset=40 (local.get $result) (i32.const 512))
    (i32.store offset=44 (local.get $result) (i32.const 520))
    ;; Offsets, all 0 but the last.
    (i32.store (i32.const 516) (i32.mul (memory.grow (i32.const 2)) (i32.const 65536)))
    (i32.store
      (i32.add (i32.load (i32.const 516)) (i32.mul (i32.load (local.get $frame)) (i32.const 4)))
      (i32.const 5))
    (i32.store (i32.const 520) (i32.const 576))
    (i64.store (i32.const 576) (i64.const 1))
    (i64.store (i32.const 600) (i64.const 2))
    (i64.store (i32.const 608) (i64.const 0))
    (i32.store (i32.const 616) (i32.const 640))
    (i32.const 0)))
