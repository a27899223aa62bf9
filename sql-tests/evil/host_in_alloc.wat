;; Asks what time it is to make room.
;; expect at call: where it may not
;; expect at call: clock_monotonic
(module
  (import "wasmfusion" "clock_monotonic" (func $clock_monotonic (result i64)))
  (memory (export "memory") 10)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 1016))
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (drop (call $clock_monotonic))
    (i32.const 65536))
  ;; The manifest: its address and its length, 170 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\aa\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"clock\"]}")
  (func (export "evil") (param $frame i32) (result i32)
    (i32.const 0)))
