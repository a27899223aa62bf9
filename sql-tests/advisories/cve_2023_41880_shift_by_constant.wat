;; CVE-2023-41880: `i64x2.shr_s` by a constant of 32 or more gave a wrong result.
;; Each of eleven constants, against the same shift of one number.
;; expect -1: 11
;; expect -9223372036854775808: 11
;; expect 9223372036854775807: 11
;; expect 81985529216486895: 11
;; expect -81985529216486896: 11
(func $same (param $vector v128) (param $low i64) (param $high i64) (result i64)
  (i64.extend_i32_u
    (i32.and
      (i64.eq (i64x2.extract_lane 0 (local.get $vector)) (local.get $low))
      (i64.eq (i64x2.extract_lane 1 (local.get $vector)) (local.get $high)))))
(func $case (param $x i64) (result i64)
  (local $y i64) (local $v v128) (local $right i64)
  (local.set $y (i64.xor (local.get $x) (i64.const 0x5a5a5a5a5a5a5a5a)))
  (local.set $v (i64x2.replace_lane 1 (i64x2.splat (local.get $x)) (local.get $y)))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 0))
        (i64.shr_s (local.get $x) (i64.const 0))
        (i64.shr_s (local.get $y) (i64.const 0)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 1))
        (i64.shr_s (local.get $x) (i64.const 1))
        (i64.shr_s (local.get $y) (i64.const 1)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 7))
        (i64.shr_s (local.get $x) (i64.const 7))
        (i64.shr_s (local.get $y) (i64.const 7)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 31))
        (i64.shr_s (local.get $x) (i64.const 31))
        (i64.shr_s (local.get $y) (i64.const 31)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 32))
        (i64.shr_s (local.get $x) (i64.const 32))
        (i64.shr_s (local.get $y) (i64.const 32)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 33))
        (i64.shr_s (local.get $x) (i64.const 33))
        (i64.shr_s (local.get $y) (i64.const 33)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 40))
        (i64.shr_s (local.get $x) (i64.const 40))
        (i64.shr_s (local.get $y) (i64.const 40)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 62))
        (i64.shr_s (local.get $x) (i64.const 62))
        (i64.shr_s (local.get $y) (i64.const 62)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 63))
        (i64.shr_s (local.get $x) (i64.const 63))
        (i64.shr_s (local.get $y) (i64.const 63)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 64))
        (i64.shr_s (local.get $x) (i64.const 64))
        (i64.shr_s (local.get $y) (i64.const 64)))))
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i64x2.shr_s (local.get $v) (i32.const 97))
        (i64.shr_s (local.get $x) (i64.const 97))
        (i64.shr_s (local.get $y) (i64.const 97)))))
  (local.get $right))
