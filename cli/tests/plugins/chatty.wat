;; A plugin for the tests of `--log`: it logs at two levels, with an escape sequence that would clear the terminal.
(module
  (import "wasmfusion" "log" (func $log (param i32 i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 2)
  ;; The host's region: from the second page to the end of the memory.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (i32.const 65536))
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 8))
  ;; The manifest: its slice at 8, its text at 16.
  (data (i32.const 8) "\10\00\00\00\c4\00\00\00")
  (data (i32.const 16) "{\"name\": \"chatty\", \"version\": \"1.0.0\", \"functions\": [{\"name\": \"chat\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}, \"volatility\": \"volatile\"}], \"capabilities\": [\"log\"]}")
  ;; Two messages.
  (data (i32.const 8192) "good morning\1b[2J")
  (data (i32.const 8208) "a detail")
  ;; A field: its name, its value, and the pair of both.
  (data (i32.const 8224) "who")
  (data (i32.const 8232) "me")
  (data (i32.const 8240) "\20\20\00\00\03\00\00\00\28\20\00\00\02\00\00\00")
  ;; Logs one message as info and one as debug, once for a call. 0 in each row if the host took both.
  (func (export "chat") (param $frame i32) (result i32)
    (local $said i64) (local $left i32) (local $to i32)
    (local.set $said
      (i64.or
        (call $log (i32.const 3) (i32.const 8192) (i32.const 16) (i32.const 8240) (i32.const 1))
        (call $log (i32.const 4) (i32.const 8208) (i32.const 8) (i32.const 0) (i32.const 0))))
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
