;; There is no memory.
;; expect at create: 0 memories
(module
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 0))
  (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 0)))
