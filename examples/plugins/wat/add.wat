;; A whole plugin in WebAssembly text: one function, add_one(BIGINT) -> BIGINT. It needs no tools but an assembler,
;; and Wasmfusion loads the text as it is. Every number below comes from docs/abi.md; a C author finds the same in ../c.
;;
;; What lies in its memory:
;;
;;      0 ..    8   Slice of the manifest: address, length
;;     64 ..  ...   the manifest
;;   1024 ..  ...   the host's region
(module
  ;; One page of 64 KiB to begin with; the host's region grows it as needed.
  (memory (export "memory") 1)

  ;; Slice { address: 64, length: 343 }, little-endian.
  (data (i32.const 0) "\40\00\00\00\57\01\00\00")
  (data (i32.const 64)
    "{\"name\": \"add\", \"version\": \"1.0.0\", "
    "\"description\": \"A plugin in WebAssembly text.\", "
    "\"functions\": [{"
    "\"name\": \"add_one\", "
    ;; The wasm export that runs the function. It could have the function's name; a prefix keeps the two apart.
    "\"export\": \"udf_add_one\", "
    ;; `nulls` is left out: rows in which the argument is NULL never reach the function, and their result is NULL.
    "\"params\": [{\"name\": \"value\", \"type\": \"Int64\"}], "
    "\"returns\": {\"type\": \"Int64\", \"nullable\": false}, "
    "\"description\": \"The argument plus one.\", "
    "\"examples\": [{\"sql\": \"SELECT add_one(41)\", \"result\": \"42\"}]"
    "}]}")

  (func (export "wasmfusion_abi_version") (result i32)
    (i32.const 1))

  ;; The address of the manifest's Slice.
  (func (export "wasmfusion_describe") (result i32)
    (i32.const 0))

  ;; Room for the host. It has one region at a time, so this one always starts at the same place, 1024, which is a
  ;; multiple of every alignment that the host asks for. Returns 0 if the memory cannot grow so far.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $missing i64)
    ;; Pages that are missing: (1024 + size + 65535) / 65536 - pages. In 64 bits, so that no size overflows.
    (local.set $missing
      (i64.sub
        (i64.shr_u
          (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 66559))
          (i64.const 16))
        (i64.extend_i32_u (memory.size))))
    (if (i64.gt_s (local.get $missing) (i64.const 0))
      (then
        (if (i32.eq (memory.grow (i32.wrap_i64 (local.get $missing))) (i32.const -1))
          (then (return (i32.const 0))))))
    (i32.const 1024))

  ;; Runs a batch. $frame is the address of a CallFrame; returns 0 for success.
  (func (export "udf_add_one") (param $frame i32) (result i32)
    (local $left i32)      ;; rows that are left
    (local $from i32)      ;; address of the argument's next value
    (local $step i32)      ;; bytes to the value after it: 8, or 0 for a constant
    (local $to i32)        ;; address of the result's next value
    ;; CallFrame.rows, at 0
    (local.set $left (i32.load offset=0 (local.get $frame)))
    ;; CallFrame.args, at 8, points to the first ArrowArray; ArrowArray.buffers, at 40, points to its table of buffers:
    ;; entry 0 is the validity bitmap, entry 1, at 4, the values.
    (local.set $from
      (i32.load offset=4
        (i32.load offset=40
          (i32.load offset=8 (local.get $frame)))))
    ;; CallFrame.constants, at 16: if bit 0 is set, argument 0 has one value for all rows.
    (local.set $step
      (select
        (i32.const 0)
        (i32.const 8)
        (i32.wrap_i64 (i64.and (i64.load offset=16 (local.get $frame)) (i64.const 1)))))
    ;; CallFrame.result, at 12: since an Int64 has a fixed width, the host has laid out the buffers of the result, and
    ;; all other fields are as they should be.
    (local.set $to
      (i32.load offset=4
        (i32.load offset=40
          (i32.load offset=12 (local.get $frame)))))
    (block $done
      (loop $row
        (br_if $done (i32.eqz (local.get $left)))
        (i64.store (local.get $to)
          (i64.add (i64.load (local.get $from)) (i64.const 1)))
        (local.set $from (i32.add (local.get $from) (local.get $step)))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $row)))
    (i32.const 0)))
