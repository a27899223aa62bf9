;; Writes a byte far behind the end of a file, which would make it a large one.
;; expect value: -4
(module
  (import "wasmfusion" "close" (func $close (param i32) (result i64)))
  (import "wasmfusion" "random" (func $random (param i32 i32) (result i64)))
  (import "wasmfusion" "file_open" (func $file_open (param i32 i32 i32) (result i64)))
  (import "wasmfusion" "file_write" (func $file_write (param i32 i32 i32) (result i64)))
  (import "wasmfusion" "file_seek" (func $file_seek (param i32 i64) (result i64)))
  (import "wasmfusion" "file_remove" (func $file_remove (param i32 i32) (result i64)))
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
  ;; The manifest: its address and its length, 206 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\ce\00\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"random\", \"fs:write:/tmp/wasmfusion-evil-*\"]}")
  (data (i32.const 8192) "/tmp/wasmfusion-evil-0123456789abcdef")
  (func $ask (result i64)
    (local $place i32) (local $file i32) (local $said i64)
    ;; A name of its own: calls may run side by side.
    (drop (call $random (i32.const 16384) (i32.const 16)))
    (loop $next
      (i32.store8 (i32.add (i32.const 8192) (i32.add (i32.const 21) (local.get $place)))
        (i32.add (i32.const 0x61) (i32.and (i32.load8_u offset=16384 (local.get $place)) (i32.const 15))))
      (local.set $place (i32.add (local.get $place) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $place) (i32.const 16))))
    ;; To write, and to be made.
    (local.set $file (i32.wrap_i64 (call $file_open (i32.const 8192) (i32.const 37) (i32.const 6))))
    (drop (call $file_seek (local.get $file) (i64.const 0x10000000000)))
    (local.set $said (call $file_write (local.get $file) (i32.const 16384) (i32.const 1)))
    (drop (call $close (local.get $file)))
    (drop (call $file_remove (i32.const 8192) (i32.const 37)))
    (local.get $said))
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
