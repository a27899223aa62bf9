;; A module that is refused: it wants to call what nobody granted, and exports nothing of the interface.
(module
  (import "env" "system" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run") (param i32) (result i32) (local.get 0)))
