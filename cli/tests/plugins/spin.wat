;; A plugin for the tests of profiles: a function that counts down from its argument, and returns it.
(module
  (memory (export "memory") 2)
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (i32.const 65536))
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 8))
  (func $count (param $n i64)
    (loop $again
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $again (i64.gt_s (local.get $n) (i64.const 0)))))
  ;; One row, which is a constant or not.
  (func $spin_rows (export "spin_rows") (param $frame i32) (result i32)
    (local $n i64)
    (local.set $n (i64.load (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))))
    (call $count (local.get $n))
    (i64.store (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))) (local.get $n))
    (i32.const 0))
  ;; The manifest: its slice at 8, its text at 16.
  (data (i32.const 8) "\10\00\00\00\c0\00\00\00")
  (data (i32.const 16) "{\"name\": \"spin\", \"version\": \"1.0.0\", \"functions\": [{\"name\": \"spin\", \"export\": \"spin_rows\", \"params\": [{\"name\": \"n\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}, \"volatility\": \"volatile\"}]}"))
