;; Gives its last argument back, as it is or with a random part of it written over. The first argument is the seed: the same seed does the same.
(module
  (memory (export "memory") 2)
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 1016))
  ;; The host's region starts at the second page; memory grows to hold it.
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $pages i32)
    (global.set $region (local.get $size))
    (local.set $pages
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const 131071)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 65536))
  ;; The manifest: its address and its length, 347 bytes; then its text.
  (data (i32.const 1016) "\00\04\00\00\5b\01\00\00")
  (data (i32.const 1024)
    "{\"name\": \"corrupting\", \"version\": \"1.0.0\", \"functions\": ["
    "{\"name\": \"corrupt\", \"params\": [{\"name\": \"seed\", \"type\": \"Int64\"}, {\"name\": \"value\", \"type\": \"any\", \"nulls\": \"pass\"}], \"bind\": true},"
    "{\"name\": \"corrupt_number\", \"params\": [{\"name\": \"seed\", \"type\": \"Int64\"}, {\"name\": \"value\", \"type\": \"Int64\", \"nulls\": \"pass\"}], \"returns\": {\"type\": \"Int64\"}}]}")
  ;; Numbers that have broken many a reader.
  (data (i32.const 512)
    "\00\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00" "\02\00\00\00\00\00\00\00" "\07\00\00\00\00\00\00\00"
    "\3f\00\00\00\00\00\00\00" "\40\00\00\00\00\00\00\00" "\7f\00\00\00\00\00\00\00" "\ff\00\00\00\00\00\00\00"
    "\ff\ff\ff\7f\00\00\00\00" "\00\00\00\80\00\00\00\00" "\ff\ff\ff\ff\00\00\00\00" "\00\00\00\00\01\00\00\00"
    "\ff\ff\ff\ff\ff\ff\ff\7f" "\00\00\00\00\00\00\00\80" "\f0\ff\ff\ff\ff\ff\ff\ff" "\ff\ff\ff\ff\ff\ff\ff\ff")
  (global $region (mut i32) (i32.const 0))
  (global $state (mut i64) (i64.const 0))

  ;; The type of the last argument becomes the result's.
  (func (export "wasmfusion_bind") (param $frame i32) (result i32)
    (memory.copy
      (i32.load offset=24 (local.get $frame))
      (i32.add (i32.load offset=8 (local.get $frame)) (i32.const 48))
      (i32.const 48))
    (i32.const 0))

  ;; The argument's struct becomes the result's.
  (func (export "corrupt") (param $frame i32) (result i32)
    (memory.copy
      (i32.load offset=12 (local.get $frame))
      (i32.add (i32.load offset=8 (local.get $frame)) (i32.const 64))
      (i32.const 64))
    (call $corrupt (local.get $frame))
    (i32.const 0))

  ;; The result is where the host has laid it out; the values are copied there.
  (func (export "corrupt_number") (param $frame i32) (result i32)
    (local $from i32) (local $to i32)
    (local.set $from (i32.load offset=104 (i32.load offset=8 (local.get $frame))))
    (local.set $to (i32.load offset=40 (i32.load offset=12 (local.get $frame))))
    (memory.copy
      (i32.load offset=4 (local.get $to))
      (i32.load offset=4 (local.get $from))
      (i32.mul (i32.const 8) (i32.load (local.get $frame))))
    (if (i32.load (local.get $from))
      (then
        (i64.store offset=8 (i32.load offset=12 (local.get $frame)) (i64.const -1))
        (i32.store (local.get $to) (i32.load (local.get $from)))))
    (call $corrupt (local.get $frame))
    (i32.const 0))

  ;; Seeds that are a multiple of 16 change nothing, the others one to three things.
  (func $corrupt (param $frame i32)
    (local $times i32) (local $result i32)
    (local.set $result (i32.load offset=12 (local.get $frame)))
    (global.set $state
      (i64.load (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))))
    (if (i64.eqz (i64.and (global.get $state) (i64.const 15))) (then (return)))
    (local.set $times (i32.add (call $below (i32.const 3)) (i32.const 1)))
    (loop $again
      (call $corrupt_one (call $node (local.get $result)))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $again (local.get $times))))

  ;; Writes over one place of an array.
  (func $corrupt_one (param $array i32)
    (local $what i32) (local $buffer i32)
    (local.set $what (call $below (i32.const 8)))
    ;; A number of its struct.
    (if (i32.lt_u (local.get $what) (i32.const 2))
      (then
        (call $poke (i32.add (local.get $array) (i32.mul (call $below (i32.const 6)) (i32.const 8))) (i32.const 8))
        (return)))
    ;; An address of its struct.
    (if (i32.eq (local.get $what) (i32.const 2))
      (then
        (call $poke (i32.add (local.get $array) (i32.add (i32.const 40) (i32.mul (call $below (i32.const 4)) (i32.const 4)))) (i32.const 4))
        (return)))
    ;; Anything in the region.
    (if (i32.eq (local.get $what) (i32.const 3))
      (then
        (call $poke (i32.add (i32.const 65536) (call $below (global.get $region))) (call $width))
        (return)))
    ;; An entry of the table of its buffers, or of its children where there is no buffer.
    (local.set $buffer
      (if (result i32) (i32.load offset=24 (local.get $array))
        (then
          (call $entry (i32.load offset=40 (local.get $array)) (i32.load offset=24 (local.get $array))))
        (else
          (call $entry (i32.load offset=44 (local.get $array)) (i32.load offset=32 (local.get $array))))))
    (if (i32.eq (local.get $what) (i32.const 4))
      (then
        (call $poke (local.get $buffer) (i32.const 4))
        (return)))
    ;; The start of a buffer.
    (if (call $is_in_memory (local.get $buffer))
      (then
        (local.set $buffer (i32.load (local.get $buffer)))
        (if (local.get $buffer)
          (then (call $poke (i32.add (local.get $buffer) (call $below (i32.const 48))) (call $width)))))))

  ;; Where a table has one of its first entries.
  (func $entry (param $table i32) (param $count i32) (result i32)
    (i32.add
      (local.get $table)
      (i32.mul
        (call $below (select (local.get $count) (i32.const 4) (i32.lt_u (local.get $count) (i32.const 4))))
        (i32.const 4))))

  ;; An array at or below another.
  (func $node (param $array i32) (result i32)
    (local $next i32) (local $children i32)
    (loop $deeper
      (local.set $next (i32.load offset=48 (local.get $array)))
      (local.set $children (i32.load offset=32 (local.get $array)))
      (if (i32.and (i32.ne (local.get $children) (i32.const 0)) (i32.lt_u (local.get $children) (i32.const 64)))
        (then
          (local.set $next
            (i32.add
              (i32.load offset=44 (local.get $array))
              (i32.mul (call $below (local.get $children)) (i32.const 4))))
          (if (i32.eqz (call $is_in_memory (local.get $next))) (then (return (local.get $array))))
          (local.set $next (i32.load (local.get $next)))))
      (if (i32.eqz (i32.and (i32.ne (local.get $next) (i32.const 0)) (call $is_in_memory (local.get $next))))
        (then (return (local.get $array))))
      (if (i32.eqz (call $below (i32.const 3))) (then (return (local.get $array))))
      (local.set $array (local.get $next))
      (br $deeper))
    (unreachable))

  ;; Writes a number of a width to an address, if it is one.
  (func $poke (param $address i32) (param $width i32)
    (local $number i64)
    (if (i32.eqz (call $is_in_memory (local.get $address))) (then (return)))
    (local.set $number (call $number (local.get $address)))
    (if (i32.eq (local.get $width) (i32.const 1)) (then (i64.store8 (local.get $address) (local.get $number)) (return)))
    (if (i32.eq (local.get $width) (i32.const 4)) (then (i64.store32 (local.get $address) (local.get $number)) (return)))
    (i64.store (local.get $address) (local.get $number)))

  ;; What to write to an address.
  (func $number (param $address i32) (result i64)
    (local $kind i32)
    (local.set $kind (call $below (i32.const 8)))
    (if (i32.eqz (local.get $kind)) (then (return (call $next))))
    (if (i32.eq (local.get $kind) (i32.const 1))
      (then (return (i64.extend_i32_u (call $below (i32.mul (memory.size) (i32.const 65536)))))))
    (if (i32.eq (local.get $kind) (i32.const 2))
      (then (return (i64.extend_i32_u (call $below (i32.const 100))))))
    ;; A little more or less than what is there.
    (if (i32.lt_u (local.get $kind) (i32.const 5))
      (then
        (return
          (i64.add
            (i64.load (local.get $address))
            (i64.sub (i64.extend_i32_u (call $below (i32.const 9))) (i64.const 4))))))
    (i64.load offset=512 (i32.mul (call $below (i32.const 16)) (i32.const 8))))

  (func $width (result i32)
    (i32.load8_u offset=640 (call $below (i32.const 3))))
  (data (i32.const 640) "\01\04\08")

  ;; Whether the struct of an array could lie here.
  (func $is_in_memory (param $address i32) (result i32)
    (i32.le_u (local.get $address) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 64))))

  ;; A number below another; 0 below 0.
  (func $below (param $end i32) (result i32)
    (if (result i32) (local.get $end)
      (then (i32.rem_u (i32.wrap_i64 (i64.shr_u (call $next) (i64.const 20))) (local.get $end)))
      (else (i32.const 0))))

  ;; A random number (splitmix64).
  (func $next (result i64)
    (local $mixed i64)
    (global.set $state (i64.add (global.get $state) (i64.const 0x9e3779b97f4a7c15)))
    (local.set $mixed
      (i64.mul
        (i64.xor (global.get $state) (i64.shr_u (global.get $state) (i64.const 30)))
        (i64.const 0xbf58476d1ce4e5b9)))
    (local.set $mixed
      (i64.mul
        (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 27)))
        (i64.const 0x94d049bb133111eb)))
    (i64.xor (local.get $mixed) (i64.shr_u (local.get $mixed) (i64.const 31)))))
