;; Views without their buffers.
;; expect at call: it has 2 buffers where its type has
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
  ;; The manifest: its address and its length, 146 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\92\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Utf8View\"}}]}")
  (func (export "evil") (param $frame i32) (result i32) (local $result i32) (local $row i32) (local $at i32)
    (local.set $result (i32.load offset=12 (local.get $frame)))
    (i64.store (local.get $result) (i64.load32_u (local.get $frame)))
    (i64.store offset=24 (local.get $result) (i64.const 2))
    (i32.store offset=40 (local.get $result) (i32.const 512))
    ;; The views are at the end of a memory that was grown for them.
    (i32.store (i32.const 516) (i32.mul (memory.grow (i32.const 4)) (i32.const 65536)))
    (loop $next
      (local.set $at (i32.add (i32.load (i32.const 516)) (i32.mul (local.get $row) (i32.const 16))))
      (i32.store (local.get $at) (i32.const 4))
      (i32.store offset=4 (local.get $at) (i32.const 1852143476))
      (i32.store offset=8 (local.get $at) (i32.const 0))
      (i32.store offset=12 (local.get $at) (i32.const 0))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $row) (i32.load (local.get $frame)))))
    (i32.const 0))
  ;; Addresses: no bitmap, the views, one buffer of text, the lengths of such buffers.
  (data (i32.const 512) "\00\00\00\00\00\00\00\00\50\c3\00\00\00\03\00\00")
  ;; The length of the buffer: 20 bytes.
  (data (i32.const 768) "\14\00\00\00\00\00\00\00")
  (data (i32.const 50000) "twenty bytes of text"))
