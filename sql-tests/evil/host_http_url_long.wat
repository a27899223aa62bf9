;; A URL of 8,000 bytes, all of them escapes. What is on record of it is not as long.
;; expect value: -3
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
  ;; HttpRequest { method, url, headers, header_count, body, timeout_ms }.
  (data (i32.const 8224) "\00\20\00\00\03\00\00\00\08\20\00\00\13\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (func $ask (result i64)
    (memory.fill (i32.const 24576) (i32.const 0x1b) (i32.const 8000))
    (i32.store offset=8 (i32.const 8224) (i32.const 24576))
    (i32.store offset=12 (i32.const 8224) (i32.const 8000))
    (call $http (i32.const 8224) (i32.const 16384) (i32.const 4096)))
  ;; Every row gets what was said.
  (func (export "evil") (param $frame i32) (result i32)
    (local $said i64) (local $left i32) (local $to i32)
    (local.set $said (call $ask))
    (local.set $left (i32.load (local.get $frame)))
    ;; The values are the second buffer of the result.
    (local.set $to (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
    (block $done
      (loop $row
        (br_if $done (i32.eqz (local.get $left)))
        (i64.store (local.get $to) (local.get $said))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $row)))
    (i32.const 0)))
