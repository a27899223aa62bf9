;; Asks for 101 capabilities.
;; expect at create: 101 capabilities, at most 100
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
  ;; The manifest: its address and its length, 1263 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\ef\04\00\00")
  (data (i32.const 1024)
    "{\"name\": \"evil\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"evil\", \"params\": [{\"name\": \"x\", \"type\": \"Int64\"}], \"returns\": {\"type\": \"Int64\"}}], "
    "\"capabilities\": [\"env:A0\", \"env:A1\", \"env:A2\", \"env:A3\", \"env:A4\", \"env:A5\", \"env:A6\", \"env:A7\", \"env:A8\", \"env:A9\", \"env:A10\", \"env:A11\", \"env:A12\", \"env:A13\", \"env:A14\", \"env:A15\", \"env:A16\", \"env:A17\", \"env:A18\", \"env:A19\", \"env:A20\", \"env:A21\", \"env:A22\", \"env:A23\", \"env:A24\", \"env:A25\", \"env:A26\", \"env:A27\", \"env:A28\", \"env:A29\", \"env:A30\", \"env:A31\", \"env:A32\", \"env:A33\", \"env:A34\", \"env:A35\", \"env:A36\", \"env:A37\", \"env:A38\", \"env:A39\", \"env:A40\", \"env:A41\", \"env:A42\", \"env:A43\", \"env:A44\", \"env:A45\", \"env:A46\", \"env:A47\", \"env:A48\", \"env:A49\", \"env:A50\", \"env:A51\", \"env:A52\", \"env:A53\", \"env:A54\", \"env:A55\", \"env:A56\", \"env:A57\", \"env:A58\", \"env:A59\", \"env:A60\", \"env:A61\", \"env:A62\", \"env:A63\", \"env:A64\", \"env:A65\", \"env:A66\", \"env:A67\", \"env:A68\", \"env:A69\", \"env:A70\", \"env:A71\", \"env:A72\", \"env:A73\", \"env:A74\", \"env:A75\", \"env:A76\", \"env:A77\", \"env:A78\", \"env:A79\", \"env:A80\", \"env:A81\", \"env:A82\", \"env:A83\", \"env:A84\", \"env:A85\", \"env:A86\", \"env:A87\", \"env:A88\", \"env:A89\", \"env:A90\", \"env:A91\", \"env:A92\", \"env:A93\", \"env:A94\", \"env:A95\", \"env:A96\", \"env:A97\", \"env:A98\", \"env:A99\", \"env:A100\"]}")
  (func (export "evil") (param $frame i32) (result i32)
    (i32.const 0)))
