;; A thousand arguments, all of them the same 60,000 bytes.
;; expect value: -4
(module
  (import "wasmfusion" "exec" (func $exec (param i32 i32 i32) (result i64)))
  (memory (export "memory") 16)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 1016))
  ;; The host's region starts at the second page; memory grows to hold it. What is asked lies far behind it.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $pages i32)
    (local.set $pages
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const 131071)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 65536))
  ;; The manifest: its address and its length, 200 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\c8\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}, \"volatility\": \"volatile\"}], "
    "\"capabilities\": [\"exec:true\"]}")
  (data (i32.const 8192) "true")
  ;; ExecRequest { command, args, arg_count, input, timeout_ms }.
  (data (i32.const 8200) "\00\20\00\00\04\00\00\00\00\00\12\00\e8\03\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (func $ask (result i64)
    (local $place i32)
    ;; Zeros would be refused for another reason.
    (drop (memory.grow (i32.const 4)))
    (memory.fill (i32.const 0x100000) (i32.const 0x61) (i32.const 60000))
    (loop $next
      (i32.store (i32.add (i32.const 0x120000) (i32.mul (local.get $place) (i32.const 8))) (i32.const 0x100000))
      (i32.store offset=4 (i32.add (i32.const 0x120000) (i32.mul (local.get $place) (i32.const 8))) (i32.const 60000))
      (local.set $place (i32.add (local.get $place) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $place) (i32.const 1000))))
    (call $exec (i32.const 8200) (i32.const 16384) (i32.const 4096)))
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
