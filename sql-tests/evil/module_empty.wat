;; Is a module with nothing in it.
;; expect at create: 0 memories
(module)
