;; A plugin for the tests of the shell: a function that answers, and two that never do.
(module
  (memory (export "memory") 2)
  ;; The host's region: from the second page to the end of the memory.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (i32.const 65536))
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 8))
  ;; 42 in each row.
  (func (export "answer") (param $frame i32) (result i32)
    (local $values i32) (local $row i32)
    (local.set $values (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $row) (i32.load (local.get $frame))))
        (i64.store (i32.add (local.get $values) (i32.shl (local.get $row) (i32.const 3))) (i64.const 42))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))
    (i32.const 0))
  (func (export "forever") (param $frame i32) (result i32)
    (loop $again (br $again))
    (i32.const 0))
  ;; The manifest: its slice at 8, its text at 16.
  (data (i32.const 8) "\10\00\00\00\3f\02\00\00")
  (data (i32.const 16) "{\"name\": \"test\", \"version\": \"1.2.3\", \"description\": \"For the tests of the shell.\", \"functions\": [{\"name\": \"answer\", \"params\": [{\"name\": \"question\", \"type\": \"Utf8\"}], \"returns\": {\"type\": \"Int64\", \"nullable\": false}, \"aliases\": [\"reply\"], \"description\": \"The answer.\", \"examples\": [{\"sql\": \"SELECT answer('?')\", \"result\": \"42\"}]},{\"name\": \"forever\", \"params\": [{\"name\": \"n\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}, \"volatility\": \"volatile\"},{\"name\": \"forever_in_planner\", \"export\": \"forever\", \"params\": [{\"name\": \"n\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}]}")
)
