;; A function that calls itself as often as it is told to.
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
  ;; The manifest: its address and its length, 151 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\97\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"depth\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"descend\", \"params\": [{\"name\": \"depth\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}]}")
  ;; Descends as deep as the first row's argument says, and comes back.
  (func (export "descend") (param $frame i32) (result i32)
    (local $buffers i32)
    (local.set $buffers (i32.load offset=40 (i32.load offset=8 (local.get $frame))))
    (drop (call $down (i64.load (i32.load offset=4 (local.get $buffers)))))
    (i32.const 0))

  (func $down (param $depth i64) (result i64)
    (if (i64.eqz (local.get $depth)) (then (return (i64.const 0))))
    (i64.add (i64.const 1) (call $down (i64.sub (local.get $depth) (i64.const 1))))))
