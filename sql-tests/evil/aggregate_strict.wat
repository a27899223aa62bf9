;; Traps if the host breaks a promise: states that it does not know or that are gone, numbers of groups that are too large, results where there are none.
;; kind: aggregate
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
  ;; The manifest: its address and its length, 256 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\00\01\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"kind\": \"aggregate\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}, \"retract\": true, \"state\": [{\"name\": \"a\", \"type\": \"Int64\"}, {\"name\": \"b\", \"type\": \"Int64\"}]}]}")
  ;; How many states there were: state `n` has the byte at 512 + n, which is 1 while it lives.
  (global $states (mut i32) (i32.const 0))
  (func (export "evil") (param $frame i32) (result i32)
    (local $operation i32) (local $state i32) (local $rows i32) (local $args i32)
    (local.set $operation (i32.load offset=40 (local.get $frame)))
    (local.set $state (i32.load offset=44 (local.get $frame)))
    (local.set $rows (i32.load (local.get $frame)))
    (local.set $args (i32.load offset=4 (local.get $frame)))
    ;; The sum of live bytes and the error are zero.
    (call $demand (i64.eqz (i64.load offset=64 (local.get $frame))))
    (call $demand (i64.eqz (i64.load offset=32 (local.get $frame))))
    (if (i32.eqz (local.get $operation))
      (then
        (call $demand (i32.eqz (local.get $rows)))
        (call $demand (i32.eqz (local.get $args)))
        (global.set $states (i32.add (global.get $states) (i32.const 1)))
        ;; There is room for the first ones; the others are not watched.
        (if (i32.lt_u (global.get $states) (i32.const 256))
          (then (i32.store8 offset=512 (global.get $states) (i32.const 1))))
        (i32.store offset=44 (local.get $frame) (global.get $states)))
      (else
        (if (i32.eq (local.get $operation) (i32.const 5))
          (then (call $demand (i32.eqz (local.get $state))))
          (else
            (call $demand (local.get $state))
            (call $demand (i32.le_u (local.get $state) (global.get $states)))
            (if (i32.lt_u (local.get $state) (i32.const 256))
              (then (call $demand (i32.load8_u offset=512 (local.get $state)))))))))
    ;; UPDATE, CONVERT and RETRACT have an argument, MERGE has two, the others have none.
    (if (i32.or (i32.eq (local.get $operation) (i32.const 1)) (i32.or (i32.eq (local.get $operation) (i32.const 5)) (i32.eq (local.get $operation) (i32.const 6))))
      (then (call $demand (i32.eq (local.get $args) (i32.const 1))) (call $column (local.get $frame) (i32.const 0)))
      (else
        (if (i32.eq (local.get $operation) (i32.const 2))
          (then
            (call $demand (i32.eq (local.get $args) (i32.const 2)))
            (call $column (local.get $frame) (i32.const 0))
            (call $column (local.get $frame) (i32.const 1)))
          (else (call $demand (i32.eqz (local.get $args)))))))
    ;; EVALUATE and STATE emit groups that there are.
    (if (i32.or (i32.eq (local.get $operation) (i32.const 3)) (i32.eq (local.get $operation) (i32.const 4)))
      (then
        (call $demand (local.get $rows))
        (call $demand (i32.le_u (local.get $rows) (i32.load offset=48 (local.get $frame))))))
    (if (i32.eq (local.get $operation) (i32.const 8))
      (then
        (call $demand (i32.eqz (local.get $rows)))
        (if (i32.lt_u (local.get $state) (i32.const 256))
          (then (i32.store8 offset=512 (local.get $state) (i32.const 0))))))
    (call $demand (i32.le_u (local.get $operation) (i32.const 8)))
    (if (i32.load offset=52 (local.get $frame)) (then (call $group_ids (local.get $frame))))
    (call $fill_all (local.get $frame))
    (i32.const 0))
  (func $demand (param $holds i32)
    (if (i32.eqz (local.get $holds)) (then (unreachable))))
  ;; An argument is a column of as many rows as the frame says.
  (func $column (param $frame i32) (param $place i32)
    (call $demand
      (i64.eq
        (i64.load (i32.add (i32.load offset=8 (local.get $frame)) (i32.mul (local.get $place) (i32.const 64))))
        (i64.extend_i32_u (i32.load (local.get $frame))))))
  ;; Each is less than the number of groups.
  (func $group_ids (param $frame i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.load offset=52 (local.get $frame)))
    (local.set $end (i32.add (local.get $at) (i32.mul (i32.load (local.get $frame)) (i32.const 4))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (call $demand (i32.lt_u (i32.load (local.get $at)) (i32.load offset=48 (local.get $frame))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (br $next))))
  ;; Fills all columns of the result.
  (func $fill_all (param $frame i32)
    (local $place i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $place) (i32.load offset=60 (local.get $frame))))
        (call $fill
          (i32.add (i32.load offset=12 (local.get $frame)) (i32.mul (local.get $place) (i32.const 64)))
          (i32.load (local.get $frame)))
        (local.set $place (i32.add (local.get $place) (i32.const 1)))
        (br $next))))
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
        (br $next)))))
