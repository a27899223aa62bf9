;; CVE-2023-26489: the address of a load or store that was shifted left by 1 to 3 was computed with 35 bits instead of 32.
;; Shifted loads that wrap around to address 2048: what was stored there.
;; expect 1: 77
;; expect 2: 77
;; expect 3: 77
;; Shifted stores that wrap around to it.
;; expect 4: 78
;; expect 5: 78
;; expect 6: 78
;; What wraps around to an address that is not in memory.
;; expect 7: trap
;; expect 8: trap
;; expect 9: trap
(global $half (mut i32) (i32.const 0x80000400))
(global $quarter (mut i32) (i32.const 0x40000200))
(global $eighth (mut i32) (i32.const 0x20000100))
(global $beyond (mut i32) (i32.const 0x2fffffff))
(func $case (param $x i64) (result i64)
  (local $half i32) (local $quarter i32) (local $eighth i32) (local $beyond i32)
  (local.set $half (global.get $half))
  (local.set $quarter (global.get $quarter))
  (local.set $eighth (global.get $eighth))
  (local.set $beyond (global.get $beyond))
  (i64.store (i32.const 2048) (i64.const 77))
  (if (i64.eq (local.get $x) (i64.const 1))
    (then (return (i64.load (i32.shl (local.get $half) (i32.const 1))))))
  (if (i64.eq (local.get $x) (i64.const 2))
    (then (return (i64.load (i32.shl (local.get $quarter) (i32.const 2))))))
  (if (i64.eq (local.get $x) (i64.const 3))
    (then (return (i64.load (i32.shl (local.get $eighth) (i32.const 3))))))
  (if (i64.eq (local.get $x) (i64.const 4))
    (then (i64.store (i32.shl (local.get $half) (i32.const 1)) (i64.const 78))))
  (if (i64.eq (local.get $x) (i64.const 5))
    (then (i64.store (i32.shl (local.get $quarter) (i32.const 2)) (i64.const 78))))
  (if (i64.eq (local.get $x) (i64.const 6))
    (then (i64.store (i32.shl (local.get $eighth) (i32.const 3)) (i64.const 78))))
  (if (i64.eq (local.get $x) (i64.const 7))
    (then (return (i64.load (i32.shl (local.get $beyond) (i32.const 2))))))
  (if (i64.eq (local.get $x) (i64.const 8))
    (then (return (i64.load offset=0x7ffffff8 (i32.shl (local.get $beyond) (i32.const 3))))))
  (if (i64.eq (local.get $x) (i64.const 9))
    (then (i64.store offset=0xfffffff0 (i32.shl (local.get $beyond) (i32.const 3)) (i64.const 1))))
  (i64.load (i32.const 2048)))
