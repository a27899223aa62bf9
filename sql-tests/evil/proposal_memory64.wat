;; Has a memory with addresses of 64 bits.
;; expect at create: memory64
(module
  (memory (export "memory") i64 2)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 0))
  (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 0)))
