;; Is a component, not a core module.
;; expect at create: components
(component)
