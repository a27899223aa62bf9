;; The manifest nests 20,000 lists, to overflow the stack of whoever parses it.
;; expect at create: the manifest is refused
(module
  (memory (export "memory") 4)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  ;; The manifest is put together behind the first page: each piece so many times.
  (global $end (mut i32) (i32.const 65536))
  (func $put (param $text i32) (param $length i32) (param $times i32)
    (loop $again
      (memory.copy (global.get $end) (local.get $text) (local.get $length))
      (global.set $end (i32.add (global.get $end) (local.get $length)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $again (local.get $times))))
  (func (export "wasmfusion_describe") (result i32)
    (call $put (i32.const 8192) (i32.const 50) (i32.const 1))
    (call $put (i32.const 8256) (i32.const 1) (i32.const 20000))
    (call $put (i32.const 8320) (i32.const 1) (i32.const 20000))
    (call $put (i32.const 8384) (i32.const 18) (i32.const 1))
    (i32.store (i32.const 1016) (i32.const 65536))
    (i32.store (i32.const 1020) (i32.sub (global.get $end) (i32.const 65536)))
    (i32.const 1016))
  ;; The host's region starts at the second page; memory grows to hold it.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $pages i32)
    (local.set $pages
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const 131071)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 65536))
  (func (export "evil") (param $frame i32) (result i32)
    (i32.const 0))
  (data (i32.const 8192) "{\"name\": \"evil\", \"version\": \"1\", \"config_schema\": ")
  (data (i32.const 8256) "[")
  (data (i32.const 8320) "]")
  (data (i32.const 8384) ", \"functions\": []}"))
