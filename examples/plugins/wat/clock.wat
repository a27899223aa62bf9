;; A plugin in WebAssembly text that asks the host: clock_utc() -> TIMESTAMP. Each number comes from docs/abi.md; add.wat beside it
;; explains what every plugin has. Its operator grants `clock` and `log` in clock.toml, without which it is refused when it is loaded.
;;
;; What lies in its memory:
;;
;;      0 ..    8   Slice of the manifest: address, length
;;     64 ..  ...   the manifest
;;    768 ..  790   the text of the log record
;;    800 ..  806   name and value of its field
;;    816 ..  832   the field, a Pair of two Slices
;;   1024 .. 2048   the host's words, if a call of it fails
;;   2048 ..  ...   the host's region
(module
  ;; What it imports must be asked for in the manifest. `error` comes with every capability.
  (import "wasmfusion" "error" (func $error (param $out i32) (param $capacity i32) (result i64)))
  (import "wasmfusion" "clock_realtime" (func $clock_realtime (result i64)))
  (import "wasmfusion" "log_enabled" (func $log_enabled (param $level i32) (result i64)))
  (import "wasmfusion" "log"
    (func $log (param $level i32) (param $message i32) (param $length i32) (param $fields i32) (param $field_count i32) (result i64)))

  (memory (export "memory") 1)

  ;; Slice { address: 64, length: 363 }, little-endian.
  (data (i32.const 0) "\40\00\00\00\6b\01\00\00")
  (data (i32.const 64)
    "{\"name\": \"clock\", \"version\": \"1.0.0\", "
    "\"description\": \"A plugin in WebAssembly text that asks the host.\", "
    "\"functions\": [{"
    "\"name\": \"clock_utc\", \"export\": \"udf_clock_utc\", \"params\": [], "
    "\"returns\": {\"type\": \"Timestamp(ns)\", \"nullable\": false}, "
    "\"volatility\": \"volatile\", "
    "\"description\": \"What time it is in UTC, once for each batch.\""
    "}], "
    "\"capabilities\": [\"clock\", \"log\"]}")
  (data (i32.const 768) "the time was asked for")
  (data (i32.const 800) "unitns")
  ;; Pair { name: Slice { 800, 4 }, value: Slice { 804, 2 } }.
  (data (i32.const 816) "\20\03\00\00\04\00\00\00\24\03\00\00\02\00\00\00")

  (func (export "wasmfusion_abi_version") (result i32)
    (i32.const 1))

  (func (export "wasmfusion_describe") (result i32)
    (i32.const 0))

  ;; Room for the host, from 2048 on. Returns 0 if the memory cannot grow so far.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $missing i64)
    ;; Pages that are missing: (2048 + size + 65535) / 65536 - pages.
    (local.set $missing
      (i64.sub
        (i64.shr_u
          (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 67583))
          (i64.const 16))
        (i64.extend_i32_u (memory.size))))
    (if (i64.gt_s (local.get $missing) (i64.const 0))
      (then
        (if (i32.eq (memory.grow (i32.wrap_i64 (local.get $missing))) (i32.const -1))
          (then (return (i32.const 0))))))
    (i32.const 2048))

  ;; Runs a batch. $frame is the address of a CallFrame; returns 0 for success.
  (func (export "udf_clock_utc") (param $frame i32) (result i32)
    (local $now i64)
    (local $left i32)      ;; rows that are left
    (local $to i32)        ;; address of the result's next value
    (local.set $now (call $clock_realtime))
    ;; What is negative is a status: then the host has words for it, which become those of this call.
    (if (i64.lt_s (local.get $now) (i64.const 0))
      (then
        ;; CallFrame.error, at 32, is a Slice.
        (i32.store offset=32 (local.get $frame) (i32.const 1024))
        (i32.store offset=36 (local.get $frame)
          (i32.wrap_i64 (call $error (i32.const 1024) (i32.const 1024))))
        (return (i32.const 1))))
    ;; Level 3 is for what operators want to know. What becomes of the record is of no interest here.
    (if (i64.eq (call $log_enabled (i32.const 3)) (i64.const 1))
      (then
        (drop (call $log (i32.const 3) (i32.const 768) (i32.const 22) (i32.const 816) (i32.const 1)))))
    (local.set $left (i32.load offset=0 (local.get $frame)))
    ;; CallFrame.result, at 12; ArrowArray.buffers, at 40; entry 1, at 4, are the values.
    (local.set $to
      (i32.load offset=4
        (i32.load offset=40
          (i32.load offset=12 (local.get $frame)))))
    (block $done
      (loop $row
        (br_if $done (i32.eqz (local.get $left)))
        (i64.store (local.get $to) (local.get $now))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $row)))
    (i32.const 0)))
