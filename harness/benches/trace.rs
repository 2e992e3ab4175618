//! What tracing costs: exports that do cryptography, in the plain module and in both traced builds, with fuel as the judge
//! has it. Printed as ratios; the bars are 2.5 for the accumulators and 6 for the record.
//!
//! `cargo bench --bench trace` measures `secrets-rust` (`cargo xtask build secrets-rust`); `AUTOCLAVE_BENCH_MODULE=x.wasm` and
//! `AUTOCLAVE_BENCH_EXPORTS='f(16,16,16) g(32,32,32)'` another module and its exports, each with the bytes of
//! its buffers. Builds are interleaved in rounds and the best round of each counts; what a call costs is taken off, as
//! measured on an export that does nothing with its buffers.

use autoclave::instrument::{Options, Trace, features, instrument};
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use wasmtime::{Config, Engine, Func, Instance, Linker, Memory, Module, Store, Val};

const EXPORTS: &str = "aes_fixslice(16,16,16) aes_table(16,16,16) pow_num_bigint(32,32,32) pow_crypto_bigint(32,32,32)";
const BUILDS: [(&str, Trace, f64); 3] =
    [("plain", Trace::None, 1.0), ("hash", Trace::Hash, 2.5), ("record", Trace::Record, 6.0)];
/// Many and short: on a busy machine a few of them are not disturbed.
const ROUNDS: usize = 300;
/// CPU time of one build in one round, nanoseconds.
const ROUND_NS: f64 = 2e6;
/// Calls between two looks at the clock.
const BATCH: u32 = 16;
/// What takes less beside the call itself cannot be told from it, nanoseconds.
const TELLING_NS: f64 = 100.0;
/// Returns at once: what remains is the call.
const IDLE: &str = r#"(module (memory (export "memory") 1)
    (func (export "idle") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0)))"#;

/// One export of one build, ready to be called.
struct Call {
    store: Store<()>,
    function: Func,
    arguments: Vec<Val>,
    result: [Val; 1],
}

impl Call {
    fn new(engine: &Engine, name: &str, wasm: &[u8], trace: Trace, export: &str, buffers: &[usize]) -> Self {
        let options = Options { trace, ..Default::default() };
        let bytes = match trace {
            Trace::None => wasm.to_vec(),
            _ => instrument(name, wasm, options, 256 << 20).expect("it can be instrumented").wasm,
        };
        let module = Module::new(engine, bytes).expect("a module");
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        store.set_fuel(u64::MAX).expect("the engine meters fuel");
        let mut linker = Linker::new(engine);
        linker.define_unknown_imports_as_default_values(&mut store, &module).expect("imports can be stubbed");
        let instance: Instance = linker.instantiate(&mut store, &module).expect("an instance");
        let memory: Memory = instance.get_memory(&mut store, "memory").expect("an export called memory");
        // Pages behind what the module knows of: every build gets its buffers at the same addresses.
        let room = memory.grow(&mut store, buffers.iter().sum::<usize>().div_ceil(1 << 16) as u64);
        let mut end = (room.expect("room for the buffers") << 16) as usize;
        let mut arguments = Vec::new();
        for (at, bytes) in buffers.iter().enumerate() {
            let contents: Vec<u8> = (0..*bytes).map(|byte| (byte * 37 + at * 11 + 5) as u8).collect();
            memory.write(&mut store, end, &contents).expect("room for a buffer");
            arguments.extend([Val::I32(end as i32), Val::I32(*bytes as i32)]);
            end += bytes;
        }
        let function = instance.get_func(&mut store, export).unwrap_or_else(|| panic!("no export is called {export}"));
        let mut result = [Val::I32(0)];
        function.call(&mut store, &arguments, &mut result).expect("the export returns");
        assert!(result[0].unwrap_i32() >= 0, "{export} refuses buffers of {buffers:?} bytes");
        Self { store, function, arguments, result }
    }

    /// Nanoseconds of one call, over one round.
    fn round(&mut self) -> f64 {
        let (start, mut calls, mut spent) = (cpu_ns(), 0u32, 0.0);
        while spent < ROUND_NS {
            for _ in 0..BATCH {
                self.function.call(&mut self.store, &self.arguments, &mut self.result).expect("the export returns");
            }
            calls += BATCH;
            spent = cpu_ns() - start;
        }
        self.store.set_fuel(u64::MAX).expect("the engine meters fuel");
        spent / f64::from(calls)
    }
}

/// CPU time of this thread, nanoseconds.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn best(calls: &mut [Call]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; calls.len()];
    for _ in 0..ROUNDS {
        for (best, call) in best.iter_mut().zip(calls.iter_mut()) {
            *best = best.min(call.round());
        }
    }
    best
}

fn main() {
    let mut config = Config::new();
    config
        .wasm_features(features(), true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .memory_may_move(false);
    let engine = Engine::new(&config).expect("an engine");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.autoclave/build/secrets-rust/module.wasm");
    let path = std::env::var_os("AUTOCLAVE_BENCH_MODULE").map_or(built, PathBuf::from);
    let Ok(wasm) = std::fs::read(&path) else {
        return eprintln!("{} cannot be read: `cargo xtask build secrets-rust`", path.display());
    };
    let exports = std::env::var("AUTOCLAVE_BENCH_EXPORTS").unwrap_or_else(|_| EXPORTS.to_owned());
    let idle = wat::parse_str(IDLE).expect("the text is right");
    let idle = best(&mut [Call::new(&engine, "idle", &idle, Trace::None, "idle", &[16, 16, 16])])[0];
    println!("a call alone takes {idle:.0} ns, taken off below");
    for export in exports.split_whitespace() {
        let (name, buffers) = export.split_once('(').expect("exports are written name(bytes,bytes)");
        let buffers: Vec<usize> = buffers
            .trim_end_matches(')')
            .split(',')
            .filter(|bytes| !bytes.is_empty())
            .map(|bytes| bytes.parse().expect("bytes of a buffer are a number"))
            .collect();
        let mut calls: Vec<Call> =
            BUILDS.iter().map(|(_, trace, _)| Call::new(&engine, name, &wasm, *trace, name, &buffers)).collect();
        let times: Vec<f64> = best(&mut calls).into_iter().map(|time| time - idle).collect();
        for ((build, _, bar), time) in BUILDS.iter().zip(&times) {
            let ratio = time / times[0];
            let verdict = match ratio {
                _ if times[0] < TELLING_NS => "  too short to tell",
                _ if ratio <= *bar => "",
                _ => "  above the bar",
            };
            println!("{name:24} {build:8} {time:10.0} ns  {ratio:5.2} of {bar}{verdict}");
        }
    }
}
