;; CVE-2026-44216: a table larger than the address space made the host panic. A table cannot grow beyond the limit, and stays what it was.
;; expect 4294967295: 2
;; expect 2147483647: 2
;; expect 1073741824: 2
;; expect 20000: 2
;; What has room.
;; expect 3: 5
;; expect 0: 2
;; Places behind the end, also where the index times the size of an element wraps around.
;; expect -1: trap
;; expect -2: trap
;; expect -3: trap
;; expect -4: trap
(table $table 2 funcref)
(func $case (param $x i64) (result i64)
  (local $before i32)
  (if (i64.eq (local.get $x) (i64.const -1)) (then (drop (table.get $table (i32.const -1)))))
  (if (i64.eq (local.get $x) (i64.const -2)) (then (drop (table.get $table (i32.const 0x20000000)))))
  (if (i64.eq (local.get $x) (i64.const -3)) (then (table.set $table (i32.const 2) (ref.null func))))
  (if (i64.eq (local.get $x) (i64.const -4))
    (then (table.copy $table $table (i32.const 1) (i32.const 0) (i32.const 2))))
  (local.set $before (table.grow $table (ref.null func) (i32.wrap_i64 (local.get $x))))
  (if (i32.and (i32.ne (local.get $before) (i32.const 2)) (i32.ne (local.get $before) (i32.const -1)))
    (then (return (i64.const -100))))
  (i64.extend_i32_u (table.size $table)))
