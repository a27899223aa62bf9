;; Functions that say which of them was called.
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
  ;; The manifest: its address and its length, 2636 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\4c\0a\00\00")
  (data (i32.const 1024)
    "{\"name\": \"overloads\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"kind\", \"export\": \"kind_1\", \"params\": [{\"name\": \"a\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_2\", \"params\": [{\"name\": \"a\", \"type\": \"Float64\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_3\", \"params\": [{\"name\": \"a\", \"type\": \"Utf8\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_4\", \"params\": [{\"name\": \"a\", \"type\": \"Boolean\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_5\", \"params\": [{\"name\": \"a\", \"type\": \"Date32\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_6\", \"params\": [{\"name\": \"a\", \"type\": \"Decimal128(10, 2)\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_7\", \"params\": [{\"name\": \"a\", \"type\": \"Int64\"}, {\"name\": \"b\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_8\", \"params\": [{\"name\": \"a\", \"type\": \"Utf8\"}, {\"name\": \"b\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"kind\", \"export\": \"kind_9\", \"params\": [{\"name\": \"a\", \"type\": \"List(Int64)\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"kind_of\"], \"description\": \"Which of its overloads was called, counted from 1.\"},"
    "{\"name\": \"answer\", \"params\": [], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"volatility\": \"stable\", \"description\": \"The answer.\", \"examples\": [{\"sql\": \"SELECT answer()\", \"result\": \"42\"}]},"
    "{\"name\": \"Mixed_Case\", \"export\": \"mixed\", \"params\": [], \"returns\": {\"type\": \"Int64\"}},"
    "{\"name\": \"at_least_two\", \"params\": [{\"name\": \"first\", \"type\": \"Int64\"}, {\"name\": \"rest\", \"type\": \"Utf8\"}], \"variadic\": true, \"returns\": {\"type\": \"Int64\"}, \"description\": \"One number and at least one text.\"}]}")
  (func (export "kind_1") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 1)))
  (func (export "kind_2") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 2)))
  (func (export "kind_3") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 3)))
  (func (export "kind_4") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 4)))
  (func (export "kind_5") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 5)))
  (func (export "kind_6") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 6)))
  (func (export "kind_7") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 7)))
  (func (export "kind_8") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 8)))
  (func (export "kind_9") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 9)))
  (func (export "answer") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 42)))
  (func (export "mixed") (param $frame i32) (result i32) (call $fill (local.get $frame) (i64.const 7)))
  ;; The number of arguments.
  (func (export "at_least_two") (param $frame i32) (result i32)
    (call $fill (local.get $frame) (i64.load32_u offset=4 (local.get $frame))))

  ;; Writes `value` to every row of the result, for which the host has made room.
  (func $fill (param $frame i32) (param $value i64) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
    (local.set $end (i32.add (local.get $at) (i32.mul (i32.load (local.get $frame)) (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (i64.store (local.get $at) (local.get $value))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (i32.const 0)))
