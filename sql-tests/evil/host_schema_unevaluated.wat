;; A schema of 24 levels, each of which looks at all of the inner ones twice.
;; expect at create: host_schema_unevaluated.wat
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
  ;; The manifest: its address and its length, 1298 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\12\05\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"config\"], "
    "\"config_schema\": {\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"unevaluatedProperties\": false, \"allOf\": [{\"properties\": {\"text\": {}}}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}}")
  (func (export "evil") (param $frame i32) (result i32)
    (i32.const 0)))
