;; CVE-2023-27477: `i8x16.shuffle` of a vector with itself took wrong lanes from the second one.
;; expect 0: 3
;; expect 100: 3
;; expect -1: 3
(func $same (param $a v128) (param $b v128) (result i64)
  (i64.extend_i32_u (i32.eq (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $b))) (i32.const 65535))))
(func $case (param $x i64) (result i64)
  (local $values v128) (local $add v128)
  (local.set $add (i8x16.splat (i32.wrap_i64 (local.get $x))))
  (local.set $values
    (i8x16.add (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) (local.get $add)))
  (i64.add
    (i64.add
      (call $same
        (i8x16.shuffle 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 (local.get $values) (local.get $values))
        (local.get $values))
      (call $same
        (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31 (local.get $values) (local.get $values))
        (local.get $values)))
    (call $same
      (i8x16.shuffle 31 0 30 1 29 2 28 3 27 4 26 5 25 6 24 16 (local.get $values) (local.get $values))
      (i8x16.add (v128.const i8x16 15 0 14 1 13 2 12 3 11 4 10 5 9 6 8 0) (local.get $add)))))
