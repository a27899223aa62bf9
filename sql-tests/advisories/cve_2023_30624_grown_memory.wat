;; CVE-2023-30624: functions of the runtime that change an instance, such as the one that grows a memory, could leave the caller with what was
;; there before.
;; expect 1: 65537
;; expect 3: 65539
;; expect 16: 65552
(func $case (param $x i64) (result i64)
  (local $before i32) (local $end i32)
  (local.set $before (memory.size))
  (if (i32.ne (memory.grow (i32.const 1)) (local.get $before)) (then (return (i64.const -1))))
  (if (i32.ne (memory.size) (i32.add (local.get $before) (i32.const 1))) (then (return (i64.const -2))))
  (local.set $end (i32.mul (memory.size) (i32.const 65536)))
  ;; The new page is zero, and can be written to up to its last byte.
  (if (i64.ne (i64.load (i32.sub (local.get $end) (i32.const 65536))) (i64.const 0)) (then (return (i64.const -3))))
  (i64.store (i32.sub (local.get $end) (i32.const 8)) (local.get $x))
  ;; More than there may be: nothing changes.
  (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then (return (i64.const -4))))
  (if (i32.ne (memory.size) (i32.add (local.get $before) (i32.const 1))) (then (return (i64.const -5))))
  (i64.add
    (i64.load (i32.sub (local.get $end) (i32.const 8)))
    (i64.extend_i32_u
      (i32.mul (i32.sub (memory.size) (local.get $before)) (i32.const 65536)))))
