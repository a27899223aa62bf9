;; CVE-2024-30266: an element segment that had been dropped, used again, made the host panic. Dropped segments are empty.
;; expect 1: 0
;; expect 2: trap
;; expect 3: 0
;; expect 4: trap
;; A segment that is still there.
;; expect 5: 7
;; Beyond its end, and beyond that of the table.
;; expect 6: trap
;; expect 7: trap
;; expect 8: trap
;; What was not written: null, of which nothing can be called.
;; expect 9: trap
;; A function of another type.
;; expect 10: trap
(type $number (func (result i64)))
(type $other (func (param i32) (result i64)))
(table $table 4 funcref)
(elem $dropped func $seven $seven)
(elem $kept func $seven $other)
(data $bytes "abcd")
(func $seven (type $number) (i64.const 7))
(func $other (type $other) (i64.const 8))
(func $case (param $x i64) (result i64)
  (elem.drop $dropped)
  (data.drop $bytes)
  (if (i64.eq (local.get $x) (i64.const 1))
    (then (table.init $table $dropped (i32.const 4) (i32.const 0) (i32.const 0)) (return (i64.const 0))))
  (if (i64.eq (local.get $x) (i64.const 2))
    (then (table.init $table $dropped (i32.const 0) (i32.const 0) (i32.const 1))))
  (if (i64.eq (local.get $x) (i64.const 3))
    (then (memory.init $bytes (i32.const 2048) (i32.const 0) (i32.const 0)) (return (i64.const 0))))
  (if (i64.eq (local.get $x) (i64.const 4))
    (then (memory.init $bytes (i32.const 2048) (i32.const 0) (i32.const 1))))
  (if (i64.eq (local.get $x) (i64.const 5))
    (then
      (table.init $table $kept (i32.const 2) (i32.const 0) (i32.const 2))
      (return (call_indirect $table (type $number) (i32.const 2)))))
  (if (i64.eq (local.get $x) (i64.const 6))
    (then (table.init $table $kept (i32.const 0) (i32.const 1) (i32.const 2))))
  (if (i64.eq (local.get $x) (i64.const 7))
    (then (table.init $table $kept (i32.const 3) (i32.const 0) (i32.const 2))))
  (if (i64.eq (local.get $x) (i64.const 8))
    (then (table.init $table $kept (i32.const -1) (i32.const 1) (i32.const 1))))
  (if (i64.eq (local.get $x) (i64.const 9))
    (then (return (call_indirect $table (type $number) (i32.const 1)))))
  (if (i64.eq (local.get $x) (i64.const 10))
    (then
      (table.init $table $kept (i32.const 0) (i32.const 0) (i32.const 2))
      (return (call_indirect $table (type $number) (i32.const 1)))))
  (unreachable))
