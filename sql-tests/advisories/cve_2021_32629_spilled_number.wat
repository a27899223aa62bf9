;; CVE-2021-32629: a 32-bit number that had been spilled to the stack came back with its sign spread over the upper half.
;; expect 2147483647: 2147483648
;; expect 4294967294: 4294967295
;; expect 41: 42
;; An address with the highest bit set, used after a spill: 2 GiB behind the start, not before it.
;; expect 6442450943: trap
;; expect 8589934590: trap
(func $clobber (param i64 i64 i64 i64 i64 i64) (result i64)
  (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
  (i64.xor (i64.add (local.get 0) (local.get 1)) (i64.add (local.get 4) (local.get 5))))
(global $calls (mut i64) (i64.const 0))
(func $case (param $x i64) (result i64)
  (local $number i32) (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)
  (local.set $number (i32.add (i32.wrap_i64 (local.get $x)) (i32.const 1)))
  (local.set $a (i64.mul (local.get $x) (i64.const 3)))
  (local.set $b (i64.mul (local.get $x) (i64.const 5)))
  (local.set $c (i64.mul (local.get $x) (i64.const 7)))
  (local.set $d (i64.mul (local.get $x) (i64.const 11)))
  (local.set $e (i64.mul (local.get $x) (i64.const 13)))
  (local.set $f (i64.mul (local.get $x) (i64.const 17)))
  ;; Everything lives across the calls, so that it has to be kept on the stack.
  (drop (call $clobber (local.get $a) (local.get $b) (local.get $c) (local.get $d) (local.get $e) (local.get $f)))
  (drop (call $clobber (local.get $f) (local.get $e) (local.get $d) (local.get $c) (local.get $b) (local.get $a)))
  (global.set $calls
    (i64.add
      (i64.add (i64.add (local.get $a) (local.get $b)) (i64.add (local.get $c) (local.get $d)))
      (i64.add (local.get $e) (local.get $f))))
  (if (i64.ge_u (local.get $x) (i64.const 4294967296))
    (then (return (i64.load8_u (local.get $number)))))
  (i64.extend_i32_u (local.get $number)))
