;; Traps if the host breaks a promise: states that it does not know or that are gone, arguments of another length than the result.
;; kind: window
;; expect value: 5
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
  ;; The manifest: its address and its length, 184 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\b8\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"kind\": \"window\", \"window\": \"streaming\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}]}")
  (func (export "evil") (param $frame i32) (result i32)
    (local $operation i32) (local $state i32)
    (local.set $operation (i32.load offset=40 (local.get $frame)))
    ;; State `n` has the byte at 16384 + n, which is 1 while it lives.
    (local.set $state (i32.load offset=44 (local.get $frame)))
    (if (i32.eq (local.get $operation) (i32.const 3))
      (then
        (global.set $states (i32.add (global.get $states) (i32.const 1)))
        (i32.store8 offset=16384 (global.get $states) (i32.const 1))
        (i32.store offset=44 (local.get $frame) (global.get $states)))
      (else
        (if (i32.eqz (i32.load8_u offset=16384 (local.get $state))) (then (unreachable)))))
    (if (i32.eq (local.get $operation) (i32.const 4))
      (then
        (if
          (i64.ne (i64.load (i32.load offset=8 (local.get $frame))) (i64.extend_i32_u (i32.load (local.get $frame))))
          (then (unreachable)))))
    (if (i32.eq (local.get $operation) (i32.const 5))
      (then (i32.store8 offset=16384 (local.get $state) (i32.const 0))))
    (if (i32.lt_u (local.get $operation) (i32.const 3)) (then (unreachable)))
    (if (i32.load (local.get $frame))
      (then (call $fill (i32.load offset=12 (local.get $frame)) (i32.load (local.get $frame)))))
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
  (global $states (mut i32) (i32.const 0)))
