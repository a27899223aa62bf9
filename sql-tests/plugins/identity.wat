;; Gives arguments of any type back as they are: what the host wrote is what it reads.
(module
  (memory (export "memory") 2)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 1016))
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
  ;; The manifest: its address and its length, 467 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\d3\01\00\00")
  (data (i32.const 1024)
    "{\"name\": \"identity\", \"version\": \"1.0.0\", \"description\": \"Functions that give back what they got.\", \"functions\": ["
    "{\"name\": \"same\", \"params\": [{\"name\": \"value\", \"type\": \"any\", \"nulls\": \"pass\"}], \"bind\": true, \"description\": \"Its argument, of any type.\", \"export\": \"same\"},"
    "{\"name\": \"last_of\", \"params\": [{\"name\": \"values\", \"type\": \"any\", \"nulls\": \"pass\"}], \"variadic\": true, \"bind\": true, \"description\": \"The last of its arguments, of any types.\", \"export\": \"last_of\"}]}")
  ;; The type of the last argument becomes the result's.
  (func (export "wasmfusion_bind") (param $frame i32) (result i32)
    (memory.copy
      (i32.load offset=24 (local.get $frame))
      (call $last (i32.load offset=8 (local.get $frame)) (i32.load offset=4 (local.get $frame)) (i32.const 48))
      (i32.const 48))
    (i32.const 0))

  ;; The last argument becomes the result. A constant has one value whatever the rows are, so it is refused.
  (func $give_back (export "same") (export "last_of") (param $frame i32) (result i32)
    (local $array i32)
    (local.set $array
      (call $last (i32.load offset=8 (local.get $frame)) (i32.load offset=4 (local.get $frame)) (i32.const 64)))
    (if (i64.ne (i64.load (local.get $array)) (i64.load32_u (local.get $frame)))
      (then
        (i32.store offset=32 (local.get $frame) (i32.const 512))
        (i32.store offset=36 (local.get $frame) (i32.const 44))
        (return (i32.const 1))))
    (memory.copy (i32.load offset=12 (local.get $frame)) (local.get $array) (i32.const 64))
    (i32.const 0))
  (data (i32.const 512) "the last argument is constant, give a column")

  ;; The last of `count` structs of `size` bytes at `address`.
  (func $last (param $address i32) (param $count i32) (param $size i32) (result i32)
    (i32.add
      (local.get $address)
      (i32.mul (i32.sub (local.get $count) (i32.const 1)) (local.get $size)))))
