;; CVE-2026-24116 (`f64.copysign`), CVE-2026-34944 (`f64x2.splat`): a load that was merged into the operation that uses it read 16 bytes, also
;; behind the last of memory. Here the last bytes of memory are loaded for each operation into which a load can be merged: the value comes
;; back, and a load one byte further traps.
;; f64.copysign of a loaded magnitude
;; expect 0: -4613937818241073152
;; expect 100: trap
;; f64.copysign of a loaded sign
;; expect 1: 4613937818241073152
;; expect 101: trap
;; f32.copysign of a loaded magnitude
;; expect 2: 3220701184
;; expect 102: trap
;; f32.copysign of a loaded sign
;; expect 3: 1077936128
;; expect 103: trap
;; f64x2.splat
;; expect 4: 4609434218613702656
;; expect 104: trap
;; f32x4.splat
;; expect 5: 1073217536
;; expect 105: trap
;; i64x2.splat
;; expect 6: 4609434218613702656
;; expect 106: trap
;; i32x4.splat
;; expect 7: 1073217536
;; expect 107: trap
;; i16x8.splat
;; expect 8: 16376
;; expect 108: trap
;; i8x16.splat
;; expect 9: 63
;; expect 109: trap
;; v128.load64_zero
;; expect 10: 4609434218613702656
;; expect 110: trap
;; v128.load32_zero
;; expect 11: 1073217536
;; expect 111: trap
;; v128.load8x8_u
;; expect 12: 17733988684660736
;; expect 112: trap
;; v128.load32x2_s
;; expect 13: 1073217536
;; expect 113: trap
;; v128.load8_lane
;; expect 14: 4539628424389459968
;; expect 114: trap
;; f64x2.replace_lane
;; expect 15: 4609434218613702656
;; expect 115: trap
;; f64.add
;; expect 16: 4612811918334230528
;; expect 116: trap
;; f64.min
;; expect 17: 4609434218613702656
;; expect 117: trap
;; f64.sqrt
;; expect 18: 4608194579719069998
;; expect 118: trap
;; f64.neg
;; expect 19: -4613937818241073152
;; expect 119: trap
;; f64.abs
;; expect 20: 4609434218613702656
;; expect 120: trap
;; f64.floor
;; expect 21: 4607182418800017408
;; expect 121: trap
;; f64.promote_f32
;; expect 22: 4611404543450677248
;; expect 122: trap
;; f32.demote_f64
;; expect 23: 1069547520
;; expect 123: trap
;; i64.trunc_sat_f64_s
;; expect 24: 1
;; expect 124: trap
;; f64.convert_i32_s
;; expect 25: 4742286009574621184
;; expect 125: trap
;; select of floats
;; expect 26: 4609434218613702656
;; expect 126: trap
(func $case (param $x i64) (result i64)
  (local $operation i64) (local $end i32)
  ;; The end of memory, and one more where a trap is wanted.
  (local.set $operation (i64.rem_u (local.get $x) (i64.const 100)))
  (local.set $end (i32.mul (memory.size) (i32.const 65536)))
  (f64.store (i32.sub (local.get $end) (i32.const 8)) (f64.const 1.5))
  (local.set $end (i32.add (local.get $end) (i32.wrap_i64 (i64.div_u (local.get $x) (i64.const 100)))))
  (if (i64.eq (local.get $operation) (i64.const 0))
    (then (return (i64.reinterpret_f64 (f64.copysign (f64.load (i32.sub (local.get $end) (i32.const 8))) (f64.const -1))))))
  (if (i64.eq (local.get $operation) (i64.const 1))
    (then (return (i64.reinterpret_f64 (f64.copysign (f64.const -3) (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 2))
    (then (return (i64.extend_i32_u (i32.reinterpret_f32 (f32.copysign (f32.load (i32.sub (local.get $end) (i32.const 4))) (f32.const -1)))))))
  (if (i64.eq (local.get $operation) (i64.const 3))
    (then (return (i64.extend_i32_u (i32.reinterpret_f32 (f32.copysign (f32.const -3) (f32.load (i32.sub (local.get $end) (i32.const 4)))))))))
  (if (i64.eq (local.get $operation) (i64.const 4))
    (then (return (i64x2.extract_lane 1 (f64x2.splat (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 5))
    (then (return (i64.extend_i32_u (i32x4.extract_lane 3 (f32x4.splat (f32.load (i32.sub (local.get $end) (i32.const 4)))))))))
  (if (i64.eq (local.get $operation) (i64.const 6))
    (then (return (i64x2.extract_lane 1 (i64x2.splat (i64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 7))
    (then (return (i64.extend_i32_u (i32x4.extract_lane 2 (i32x4.splat (i32.load (i32.sub (local.get $end) (i32.const 4)))))))))
  (if (i64.eq (local.get $operation) (i64.const 8))
    (then (return (i64.extend_i32_u (i16x8.extract_lane_u 7 (i16x8.splat (i32.load16_u (i32.sub (local.get $end) (i32.const 2)))))))))
  (if (i64.eq (local.get $operation) (i64.const 9))
    (then (return (i64.extend_i32_u (i8x16.extract_lane_u 15 (i8x16.splat (i32.load8_u (i32.sub (local.get $end) (i32.const 1)))))))))
  (if (i64.eq (local.get $operation) (i64.const 10))
    (then (return (i64x2.extract_lane 0 (v128.load64_zero (i32.sub (local.get $end) (i32.const 8)))))))
  (if (i64.eq (local.get $operation) (i64.const 11))
    (then (return (i64x2.extract_lane 0 (v128.load32_zero (i32.sub (local.get $end) (i32.const 4)))))))
  (if (i64.eq (local.get $operation) (i64.const 12))
    (then (return (i64x2.extract_lane 1 (v128.load8x8_u (i32.sub (local.get $end) (i32.const 8)))))))
  (if (i64.eq (local.get $operation) (i64.const 13))
    (then (return (i64x2.extract_lane 1 (v128.load32x2_s (i32.sub (local.get $end) (i32.const 8)))))))
  (if (i64.eq (local.get $operation) (i64.const 14))
    (then (return (i64x2.extract_lane 1 (v128.load8_lane 15 (i32.sub (local.get $end) (i32.const 1)) (v128.const i64x2 0 0))))))
  (if (i64.eq (local.get $operation) (i64.const 15))
    (then (return (i64x2.extract_lane 1 (f64x2.replace_lane 1 (v128.const i64x2 0 0) (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 16))
    (then (return (i64.reinterpret_f64 (f64.add (f64.const 1) (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 17))
    (then (return (i64.reinterpret_f64 (f64.min (f64.const 9) (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 18))
    (then (return (i64.reinterpret_f64 (f64.sqrt (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 19))
    (then (return (i64.reinterpret_f64 (f64.neg (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 20))
    (then (return (i64.reinterpret_f64 (f64.abs (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 21))
    (then (return (i64.reinterpret_f64 (f64.floor (f64.load (i32.sub (local.get $end) (i32.const 8))))))))
  (if (i64.eq (local.get $operation) (i64.const 22))
    (then (return (i64.reinterpret_f64 (f64.promote_f32 (f32.load (i32.sub (local.get $end) (i32.const 4))))))))
  (if (i64.eq (local.get $operation) (i64.const 23))
    (then (return (i64.extend_i32_u (i32.reinterpret_f32 (f32.demote_f64 (f64.load (i32.sub (local.get $end) (i32.const 8)))))))))
  (if (i64.eq (local.get $operation) (i64.const 24))
    (then (return (i64.trunc_sat_f64_s (f64.load (i32.sub (local.get $end) (i32.const 8)))))))
  (if (i64.eq (local.get $operation) (i64.const 25))
    (then (return (i64.reinterpret_f64 (f64.convert_i32_s (i32.load (i32.sub (local.get $end) (i32.const 4))))))))
  (if (i64.eq (local.get $operation) (i64.const 26))
    (then (return (i64.reinterpret_f64 (select (f64.load (i32.sub (local.get $end) (i32.const 8))) (f64.const 0) (i32.const 1))))))
  (unreachable))
