;; A table function that takes all memory there is in OPEN.
;; kind: table
;; expect at call: of memory, the limit is 16777216
;; expect at call: memory_bytes_max
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
  ;; The manifest: its address and its length, 215 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\d7\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"kind\": \"table\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"columns\": [{\"name\": \"value\", \"type\": \"Int64\"}, {\"name\": \"other\", \"type\": \"Int64\"}]}]}")
  (func (export "evil") (param $frame i32) (result i32)
    (local $operation i32) (local $rows i32)
    (local.set $operation (i32.load offset=40 (local.get $frame)))
    ;; OPEN.
    (if (i32.eq (local.get $operation) (i32.const 0))
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (unreachable)))
    ;; OPEN: state `n` has the byte at 16384 + n, which is 1 once its rows were returned.
    (if (i32.eqz (local.get $operation))
      (then
        (global.set $scans (i32.add (global.get $scans) (i32.const 1)))
        (i32.store offset=44 (local.get $frame) (global.get $scans))))
    ;; NEXT: three rows, or one if nobody wants more; then none.
    (if (i32.eq (local.get $operation) (i32.const 1))
      (then
        (if (i32.eqz (i32.load8_u offset=16384 (i32.load offset=44 (local.get $frame))))
          (then
            (i32.store8 offset=16384 (i32.load offset=44 (local.get $frame)) (i32.const 1))
            (local.set $rows (select (i32.const 3) (i32.const 1) (i32.ge_u (i32.load (local.get $frame)) (i32.const 3))))
            (call $fill (i32.load offset=12 (local.get $frame)) (local.get $rows))
            (call $fill (i32.add (i32.load offset=12 (local.get $frame)) (i32.const 64)) (local.get $rows))
            (i64.store (i32.load offset=12 (local.get $frame)) (i64.extend_i32_u (local.get $rows)))
            (i64.store offset=64 (i32.load offset=12 (local.get $frame)) (i64.extend_i32_u (local.get $rows)))
            (i32.store offset=56 (local.get $frame) (local.get $rows))))))
    (i32.const 0))
  ;; Writes 5 to every row of the column at `array`.
  (func $fill (param $array i32) (param $rows i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.load offset=4 (i32.load offset=40 (local.get $array))))
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $rows) (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (i64.store (local.get $at) (i64.const 5))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next))))
  (global $scans (mut i32) (i32.const 0)))
