;; wasmfusion_alloc returns an address that is not aligned.
;; expect at call: do not start at a multiple of 64
(module
  (memory (export "memory") 100)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 1016))
  (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65537))
  ;; The manifest: its address and its length, 143 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\8f\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}]}")
  (func (export "evil") (param $frame i32) (result i32)
    (i32.const 0)))
