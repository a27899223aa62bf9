;; Is a text, but not one of WebAssembly.
;; expect at create: does not parse
This is a letter.
It has two lines.
