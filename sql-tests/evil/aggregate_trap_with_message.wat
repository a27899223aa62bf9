;; Says why it traps.
;; kind: aggregate
;; expect at call: the state is torn
;; expect at call: at evil
;; reached in: constant, rows, groups, many_groups, converted, sorted_groups, filter, distinct, distinct_groups, sliding, running, nulls, partitions, correlated
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
  (func (export "evil") (param $frame i32) (result i32)
    (local $operation i32)
    (local.set $operation (i32.load offset=40 (local.get $frame)))
    ;; CREATE.
    (if (i32.eqz (local.get $operation)) (then (i32.store offset=44 (local.get $frame) (i32.const 7))))
    ;; UPDATE.
    (if (i32.eq (local.get $operation) (i32.const 1))
      (then
        (i32.store offset=32 (local.get $frame) (i32.const 512))
        (i32.store offset=36 (local.get $frame) (i32.const 17))
        (unreachable)))
    (call $fill_all (local.get $frame))
    (i32.const 0))
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
        (br $next))))
  (data (i32.const 512) "the state is torn"))
