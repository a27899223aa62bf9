;; The name of a header lies at address 0.
;; expect at call: the host function `http` with an address that is not its own: headers
(module
  (import "wasmfusion" "http" (func $http (param i32 i32 i32) (result i64)))
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
  ;; The manifest: its address and its length, 211 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\d3\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}, \"volatility\": \"volatile\"}], "
    "\"capabilities\": [\"net:http:127.0.0.1:*\"]}")
  (data (i32.const 8192) "GET")
  (data (i32.const 8200) "http://127.0.0.1:1/")
  (data (i32.const 8224) "x")
  ;; The headers: a Pair each, of two Slices.
  (data (i32.const 8232) "\00\00\00\00\05\00\00\00\20\20\00\00\01\00\00\00")
  ;; HttpRequest { method, url, headers, header_count, body, timeout_ms }.
  (data (i32.const 8248) "\00\20\00\00\03\00\00\00\08\20\00\00\13\00\00\00\28\20\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (func (export "evil") (param $frame i32) (result i32)
    (drop (call $http (i32.const 8248) (i32.const 16384) (i32.const 4096)))
    (i32.const 0)))
