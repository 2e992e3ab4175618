;; The repaired twin of canary-contract: the same entries, each keeping its clause of the resource contract.
;; Every entry takes (address, length) and returns 0 or more (accepted) or -1 (refused); `output` returns a packed i64.
(module $canary_contract_fixed
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $__stack_pointer (mut i32) (i32.const 32768))
  (global $answer (mut i32) (i32.const 0))

  ;; Makes the memory so long, behind the first page, which is the module's own. Says -1 where there is no more.
  (func $reach (param $bytes i64) (result i32)
    (local $pages i64)
    (local.set $pages (i64.shr_u (i64.add (local.get $bytes) (i64.const 131071)) (i64.const 16)))
    (if (i64.le_u (local.get $pages) (i64.extend_i32_u (memory.size))) (then (return (i32.const 0))))
    (if (i64.gt_u (local.get $pages) (i64.const 65535)) (then (return (i32.const -1))))
    (if (i32.lt_s
      (memory.grow (i32.sub (i32.wrap_i64 (local.get $pages)) (memory.size))) (i32.const 0)) (then (return (i32.const -1))))
    (i32.const 0))

  (func (export "alloc") (param $len i32) (result i32)
    (if (call $reach (i64.extend_i32_u (local.get $len))) (then (return (i32.const 0))))
    (i32.const 65536))

  ;; So many times the input's length of memory.
  (func $hoard (param $len i32) (param $times i64) (result i32)
    (call $reach (i64.mul (i64.extend_i32_u (local.get $len)) (local.get $times))))

  ;; So many turns of a loop of five instructions.
  (func $work (param $turns i64)
    (loop $turn
      (local.set $turns (i64.sub (local.get $turns) (i64.const 1)))
      (br_if $turn (i64.gt_s (local.get $turns) (i64.const 0)))))

  ;; Refuses a gzip file whose trailer says that far more comes out than its length allows.
  (func (export "bomb") (param $at i32) (param $len i32) (result i32)
    (if (i32.lt_u (local.get $len) (i32.const 18)) (then (return (i32.const -1))))
    (if (i32.ne (i32.load16_u (local.get $at)) (i32.const 0x8b1f)) (then (return (i32.const -1))))
    ;; The trailer counts up to 4 GiB; what is longer than this could hold more.
    (if (i32.gt_u (local.get $len) (i32.const 0x200000)) (then (return (i32.const -1))))
    (if (i32.gt_u
      (i32.load align=1 (i32.sub (i32.add (local.get $at) (local.get $len)) (i32.const 4)))
      (select
        (i32.const 0x100000)
        (i32.mul (local.get $len) (i32.const 100))
        (i32.lt_u (local.get $len) (i32.const 10485))))
      (then (return (i32.const -1))))
    (i32.const 0))

  ;; 8 times its length.
  (func (export "memory_hoarder") (param $at i32) (param $len i32) (result i32)
    (call $hoard (local.get $len) (i64.const 8)))

  ;; 8 times its length.
  (func (export "typical_hoarder") (param $at i32) (param $len i32) (result i32)
    (call $hoard (local.get $len) (i64.const 8)))

  ;; Refuses where there is no more memory.
  (func (export "oom") (param $at i32) (param $len i32) (result i32)
    (if (call $hoard (local.get $len) (i64.const 12)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; Ten turns for each byte.
  (func (export "toil") (param $at i32) (param $len i32) (result i32)
    (call $work (i64.mul (i64.extend_i32_u (local.get $len)) (i64.const 10)))
    (i32.const 0))

  ;; Sixty-four turns for each byte.
  (func (export "quadratic") (param $at i32) (param $len i32) (result i32)
    (call $work (i64.mul (i64.extend_i32_u (local.get $len)) (i64.const 64)))
    (i32.const 0))

  ;; Descends a level for each byte, and refuses more than 128.
  (func (export "descent") (param $at i32) (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 128)) (then (return (i32.const -1))))
    (call $descend (local.get $len)))
  (func $descend (param $levels i32) (result i32)
    (if (i32.eqz (local.get $levels)) (then (return (i32.const 0))))
    ;; Not a tail call: the result is still worked on.
    (i32.shr_s (call $descend (i32.sub (local.get $levels) (i32.const 1))) (i32.const 1)))

  ;; Gives back the input itself.
  (func (export "output") (param $at i32) (param $len i32) (result i64)
    (local $bytes i64)
    (local.set $bytes (i64.extend_i32_u (local.get $len)))
    (if (i64.gt_u (local.get $bytes) (i64.const 0x4000000)) (then (return (i64.const -1))))
    (if (call $reach (local.get $bytes)) (then (return (i64.const -1))))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (local.get $bytes)))

  ;; Refuses what is longer than 1,000 bytes and says why, in 32 bytes.
  (func (export "complaint") (param $at i32) (param $len i32) (result i32)
    (if (i32.le_u (local.get $len) (i32.const 1000)) (then (return (i32.const 0))))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 32))
    (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 24)))
    (i32.const -1))

  ;; Refuses what is longer than 1,000 bytes, and forgets it.
  (func (export "grudge") (param $at i32) (param $len i32) (result i32)
    (if (i32.le_u (local.get $len) (i32.const 1000)) (then (return (global.get $answer))))
    (i32.const -1))

  ;; Refuses what is longer than 1,000 bytes, and gives its frame back.
  (func (export "frame") (param $at i32) (param $len i32) (result i32)
    (if (i32.le_u (local.get $len) (i32.const 1000)) (then (return (i32.const 0))))
    (global.set $__stack_pointer (i32.sub (global.get $__stack_pointer) (i32.const 16)))
    (i32.store (global.get $__stack_pointer) (local.get $len))
    (global.set $__stack_pointer (i32.add (global.get $__stack_pointer) (i32.const 16)))
    (i32.const -1))

  ;; Has a place for every plain document.
  (func (export "narrow") (param $at i32) (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 10000000)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; Gives up on more than 10,000,000 bytes by a refusal.
  (func (export "brittle") (param $at i32) (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 10000000)) (then (return (i32.const -1))))
    (i32.const 0))

  ;; Ten turns for each byte.
  (func (export "plodder") (param $at i32) (param $len i32) (result i32)
    (call $work (i64.mul (i64.extend_i32_u (local.get $len)) (i64.const 10)))
    (i32.const 0))
)
