;; A log record of 8 MB, all of it escapes.
;; expect value: 0
(module
  (import "wasmfusion" "log" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 2)
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
  ;; The manifest: its address and its length, 168 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\a8\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"log\"]}")
  (func $ask (result i64)
    (local $place i32)
    (drop (memory.grow (i32.const 150)))
    (loop $next
      ;; %25%
      (i32.store (i32.add (i32.const 0x100000) (local.get $place)) (i32.const 0x25353225))
      (local.set $place (i32.add (local.get $place) (i32.const 3)))
      (br_if $next (i32.lt_u (local.get $place) (i32.const 0x7fff00))))
    (call $log (i32.const 1) (i32.const 0x100000) (i32.const 0x7fff00) (i32.const 0) (i32.const 0)))
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
