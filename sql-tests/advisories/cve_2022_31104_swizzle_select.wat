;; CVE-2022-31104: `i8x16.swizzle` spoilt the mask that it was given, and `select` of two vectors moved 32 bits only.
;; expect 0: 5
;; expect 1: 5
;; expect -1: 5
(func $same (param $a v128) (param $b v128) (result i64)
  (i64.extend_i32_u (i32.eq (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $b))) (i32.const 65535))))
(global $zero (mut i32) (i32.const 0))
(func $case (param $x i64) (result i64)
  (local $values v128) (local $mask v128) (local $zero i32) (local $right i64)
  ;; A zero that the compiler does not know.
  (local.set $zero (global.get $zero))
  (local.set $values
    (i8x16.add
      (v128.const i8x16 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25)
      (i8x16.splat (local.get $zero))))
  (local.set $mask
    (i8x16.add
      (v128.const i8x16 15 14 13 0 16 17 127 128 255 1 2 3 240 4 31 32)
      (i8x16.splat (local.get $zero))))
  (local.set $right
    (call $same
      (i8x16.swizzle (local.get $values) (local.get $mask))
      (v128.const i8x16 25 24 23 10 0 0 0 0 0 11 12 13 0 14 0 0)))
  ;; The mask is what it was.
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same (local.get $mask) (v128.const i8x16 15 14 13 0 16 17 127 128 255 1 2 3 240 4 31 32))))
  ;; A mask that is a constant, twice.
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (i8x16.add
          (i8x16.swizzle (local.get $values) (v128.const i8x16 0 1 16 128 255 15 14 13 12 11 10 9 8 7 6 5))
          (v128.const i8x16 0 1 16 128 255 15 14 13 12 11 10 9 8 7 6 5))
        (v128.const i8x16 10 12 16 128 255 40 38 36 34 32 30 28 26 24 22 20))))
  ;; Both ways of a choice, all of the bits.
  (local.set $right
    (i64.add
      (local.get $right)
      (call $same
        (select (local.get $values) (local.get $mask) (local.get $zero))
        (v128.const i8x16 15 14 13 0 16 17 127 128 255 1 2 3 240 4 31 32))))
  (i64.add
    (local.get $right)
    (call $same
      (select (local.get $values) (local.get $mask) (i32.add (local.get $zero) (i32.const 1)))
      (local.get $values))))
