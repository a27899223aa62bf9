;; Is WebAssembly text that ends too early.
;; expect at create: does not parse
(module (memory (export "memory") 2
