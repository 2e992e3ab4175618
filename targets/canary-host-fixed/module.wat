;; Repaired limit canary and exits that take a host: one entry each, behind two magic bytes. The same reader with every flaw repaired.
;; Every entry takes (address, length) and returns 0 (accepted) or -1 (not for this entry).
(module $canary_host_fixed
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "env" "progress" (func $progress (param i32)))
  (memory (export "memory") 2)

  ;; The host writes the input behind the first page, which is the module's own.
  (func (export "alloc") (param $len i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.shr_u (i32.add (local.get $len) (i32.const 131071)) (i32.const 16)))
    (if (i32.gt_u (local.get $len) (i32.const 0x100000)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $pages) (memory.size)) (then
      (if (i32.lt_s (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const 0)) (then (return (i32.const 0))))))
    (i32.const 65536))

  ;; Whether the input is at least `$least` bytes long and begins with the two bytes `$magic`.
  (func $begins (param $at i32) (param $len i32) (param $least i32) (param $magic i32) (result i32)
    (if (i32.lt_u (local.get $len) (local.get $least)) (then (return (i32.const 0))))
    (i32.eq (i32.load16_u (local.get $at)) (local.get $magic)))

  ;; "EX", u8 status: status 0x2a is an error that nobody handles.
  (func (export "exit") (param $at i32) (param $len i32) (result i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 3) (i32.const 0x5845))) (then (return (i32.const -1))))
    (if (i32.eq (i32.load8_u offset=2 (local.get $at)) (i32.const 0x2a))
      (then (return (i32.const -1))))
    (i32.const 0))

  ;; "HC", u16 count: says how far it is after each of that many steps.
  (func (export "host_calls") (param $at i32) (param $len i32) (result i32)
    (local $count i32)
    (if (i32.eqz (call $begins (local.get $at) (local.get $len) (i32.const 4) (i32.const 0x4348))) (then (return (i32.const -1))))
    (local.set $count (i32.load16_u offset=2 align=1 (local.get $at)))
    (loop $steps
      (if (i32.eqz (local.get $count)) (then (return (i32.const 0))))
      ;; Every 256th step is enough to know.
      (if (i32.eqz (i32.and (local.get $count) (i32.const 255))) (then (call $progress (local.get $count))))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $steps))
    (unreachable))
)
