//! What a module imports, by the names that its toolchain gives: wasm-bindgen, Emscripten, WASI, AssemblyScript.

use super::{Policy, Verdict};
use crate::glue::minified;
use crate::package::Package;
use serde::Serialize;

/// An import of the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportRow {
    /// Module that it is asked of.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// `function`, `memory`, `table`, `global`, `tag`.
    pub kind: &'static str,
    /// What the glue calls what it gives for it, where that is another name: `_fd_write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Category, of [`super::CATEGORIES`].
    pub category: &'static str,
    /// What the policy says.
    pub verdict: Verdict,
}

/// Names of JavaScript that wasm-bindgen's imports carry, by category; the rest of the known ones is intrinsic.
const BINDGEN: &[(&str, &[&str])] = &[
    ("code-generation", &["newnoargs", "newwithargs", "eval"]),
    ("random", &["random", "getRandomValues", "randomFillSync", "randomUUID", "crypto", "msCrypto"]),
    ("clock", &["now", "performance", "timeOrigin", "new0", "setTimeout", "setInterval", "requestAnimationFrame"]),
    (
        "network",
        &[
            "fetch",
            "XMLHttpRequest",
            "WebSocket",
            "sendBeacon",
            "newwithstr",
            "newwithstrandinit",
            "EventSource",
            "send",
        ],
    ),
    ("console", &["log", "debug", "info", "warn", "error", "trace", "dir", "console"]),
    ("storage", &["localStorage", "sessionStorage", "indexedDB", "getItem", "setItem", "cookie", "caches"]),
    (
        "html",
        &[
            "document",
            "createElement",
            "body",
            "querySelector",
            "setinnerHTML",
            "innerHTML",
            "appendChild",
            "setouterHTML",
            "insertAdjacentHTML",
            "write",
            "settextContent",
            "setAttribute",
            "getElementById",
        ],
    ),
    ("process", &["process", "versions", "node", "require", "env", "exit", "argv"]),
    ("messaging", &["postMessage", "BroadcastChannel"]),
    ("workers", &["Worker", "SharedArrayBuffer", "waitAsync"]),
    ("files", &["readFileSync", "writeFileSync", "fs"]),
    (
        "intrinsic",
        &[
            "new",
            "get",
            "set",
            "call",
            "apply",
            "bind",
            "length",
            "push",
            "pop",
            "next",
            "done",
            "value",
            "iterator",
            "then",
            "catch",
            "finally",
            "resolve",
            "reject",
            "all",
            "buffer",
            "byteLength",
            "byteOffset",
            "subarray",
            "slice",
            "from",
            "of",
            "isArray",
            "keys",
            "values",
            "entries",
            "Error",
            "TypeError",
            "RangeError",
            "message",
            "name",
            "stack",
            "toString",
            "valueOf",
            "String",
            "Number",
            "BigInt",
            "stringify",
            "parse",
            "has",
            "delete",
            "is",
            "isInteger",
            "isSafeInteger",
            "isNaN",
            "concat",
            "join",
            "fill",
            "at",
            "self",
            "window",
            "globalThis",
            "global",
            "queueMicrotask",
            "newwithlength",
            "newwithbyteoffsetandlength",
            "newfromslice",
            "fromCodePoint",
            "codePointAt",
            "charCodeAt",
            "toISOString",
            "getTime",
            "getTimezoneOffset",
            "cause",
            "prototypesetcall",
            "getwithrefkey",
            "size",
            "clear",
            "add",
            "assign",
            "create",
            "getOwnPropertyDescriptor",
            "ownKeys",
            "defineProperty",
            "setname",
            "setcause",
            "toLowerCase",
        ],
    ),
];

/// Stems of wasm-bindgen's names that end in more, by how they begin.
const BINDGEN_STARTS: &[(&str, &str)] = &[
    ("__wbindgen_", "intrinsic"),
    ("_wbindgen_", "intrinsic"),
    ("_wbg_cb_unref", "intrinsic"),
    ("instanceof_", "intrinsic"),
    ("static_accessor_", "intrinsic"),
    ("new_", "intrinsic"),
    ("get_", "intrinsic"),
    ("set_", "intrinsic"),
    ("length_", "intrinsic"),
    ("getTime", "intrinsic"),
];

/// Names of WASI functions, by how they begin.
const WASI: &[(&str, &str)] = &[
    ("clock_", "clock"),
    ("poll_", "clock"),
    ("random_", "random"),
    ("fd_", "files"),
    ("path_", "files"),
    ("environ_", "process"),
    ("args_", "process"),
    ("proc_", "process"),
    ("sock_", "network"),
    ("sched_yield", "intrinsic"),
];

/// Names of Emscripten's and AssemblyScript's environment, by how they begin; longer ones first.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("emscripten_run_script", "code-generation"),
    ("emscripten_async_run_script", "code-generation"),
    ("emscripten_asm_const", "unknown"),
    ("emscripten_get_now", "clock"),
    ("emscripten_date_now", "clock"),
    ("emscripten_fetch", "network"),
    ("emscripten_websocket", "network"),
    ("emscripten_console", "console"),
    ("emscripten_out", "console"),
    ("emscripten_err", "console"),
    ("emscripten_log", "console"),
    ("emscripten_set_timeout", "clock"),
    ("emscripten_sleep", "clock"),
    ("emscripten_get_heap_max", "memory"),
    ("emscripten_resize_heap", "memory"),
    ("emscripten_memcpy", "intrinsic"),
    ("emscripten_throw_longjmp", "intrinsic"),
    ("emscripten_runtime_keepalive", "intrinsic"),
    ("emscripten_init_main_thread", "workers"),
    ("emscripten_thread", "workers"),
    ("emscripten_notify_mailbox", "workers"),
    ("emscripten_receive_on_main_thread", "workers"),
    ("emscripten_check_blocking", "workers"),
    ("pthread_", "workers"),
    ("embind_", "intrinsic"),
    ("emval_get_global", "unknown"),
    ("emval_get_method_caller", "unknown"),
    ("emval_call", "unknown"),
    ("emval_", "intrinsic"),
    ("cxa_", "intrinsic"),
    ("resumeException", "intrinsic"),
    ("llvm_eh_typeid_for", "intrinsic"),
    ("invoke_", "intrinsic"),
    ("setThrew", "intrinsic"),
    ("getTempRet", "intrinsic"),
    ("setTempRet", "intrinsic"),
    ("assert_fail", "intrinsic"),
    ("abort", "intrinsic"),
    ("exit", "process"),
    ("syscall_", "files"),
    ("mmap_js", "files"),
    ("munmap_js", "files"),
    ("setitimer", "clock"),
    ("tzset", "clock"),
    ("localtime", "clock"),
    ("gmtime", "clock"),
    ("mktime", "clock"),
    ("gettimeofday", "clock"),
    ("getentropy", "random"),
    ("trace", "console"),
    ("seed", "random"),
    ("Date.now", "clock"),
    ("performance.now", "clock"),
    ("Math.random", "random"),
    ("console.", "console"),
    ("process.", "process"),
];

/// Everything that the module imports, in its order.
pub fn inventory(package: &Package, policy: &Policy) -> Vec<ImportRow> {
    let meanings = minified::names(&package.scripts, &package.shape);
    let row = |import: &crate::glue::module::Imported| {
        let (module, name, ty) = (import.module.clone(), import.name.clone(), import.ty.clone());
        let meaning = meanings.get(&(module.clone(), name.clone())).filter(|meaning| **meaning != name).cloned();
        let by_name = category(&module, &name, import.kind);
        let category = match &meaning {
            Some(meaning) if by_name == "unknown" => glued(meaning),
            _ => by_name,
        };
        let verdict = policy.import(&format!("{module}.{name}"), category);
        // Somebody may allow it by the name that a person reads.
        let named = meaning.as_ref().map(|meaning| policy.import(&format!("{module}.{meaning}"), category));
        let verdict = if named == Some(Verdict::Allowed) { Verdict::Allowed } else { verdict };
        ImportRow { module, name, kind: import.kind, meaning, ty, category, verdict }
    };
    package.shape.imports.iter().map(row).collect()
}

/// Category of an import by what its toolchain calls it.
pub fn category(module: &str, name: &str, kind: &str) -> &'static str {
    match kind {
        "memory" => return "memory",
        "table" | "global" | "tag" => return "intrinsic",
        _ => {}
    }
    let starting = |table: &[(&'static str, &'static str)], name: &str| {
        table.iter().find(|(start, _)| name.starts_with(start)).map(|(_, category)| *category)
    };
    if module.starts_with("wasi") {
        return starting(WASI, name).unwrap_or("unknown");
    }
    if let Some(rest) = name.strip_prefix("__wbg_") {
        return bindgen(rest);
    }
    if name.starts_with("__wbindgen_") {
        return "intrinsic";
    }
    if matches!(module, "env" | "console" | "Math" | "Date" | "performance" | "process") {
        let plain = if module == "env" { name.to_owned() } else { format!("{module}.{name}") };
        // Emscripten has put one or two underscores before, in one version or another.
        return starting(ENVIRONMENT, plain.trim_start_matches('_')).unwrap_or("unknown");
    }
    "unknown"
}

/// A function of Emscripten's glue by its own name, WASI's among them.
pub fn glued(name: &str) -> &'static str {
    let wasi = category("wasi_snapshot_preview1", name.trim_start_matches('_'), "function");
    if wasi == "unknown" { category("env", name, "function") } else { wasi }
}

/// What follows `__wbg_`: a name of JavaScript, and a hash of sixteen digits.
fn bindgen(rest: &str) -> &'static str {
    let hashed = rest.rsplit_once('_').filter(|(_, hash)| {
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    });
    let Some((stem, _)) = hashed else {
        // Classes of the module itself: `store_unwrap`, `store_new`.
        let own = ["_unwrap", "_new"].iter().any(|end| rest.ends_with(end));
        return if own { "intrinsic" } else { "unknown" };
    };
    let named = BINDGEN.iter().find(|(_, names)| names.contains(&stem)).map(|(category, _)| *category);
    let starting = || BINDGEN_STARTS.iter().find(|(start, _)| stem.starts_with(start)).map(|(_, category)| *category);
    named.or_else(starting).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_category() {
        let cases = [
            ("./pkg_bg.js", "__wbg_log_7430f5caa6bfb0a0", "console"),
            ("wbg", "__wbg_error_7534b8e9a36f1ab4", "console"),
            ("wbg", "__wbg_Error_208446807d0d1e30", "intrinsic"),
            ("./pkg_bg.js", "__wbg_fetch_a9fe1689d16fa34c", "network"),
            ("./pkg_bg.js", "__wbg_now_463ac581d2fc7ea3", "clock"),
            ("./pkg_bg.js", "__wbg_random_df36b90cd78a7d54", "random"),
            ("wbg", "__wbg_newnoargs_105ed471475aaf50", "code-generation"),
            ("wbg", "__wbg_setinnerHTML_31bde41f835786f7", "html"),
            ("wbg", "__wbg_localStorage_1406c99c39728187", "storage"),
            ("./pkg_bg.js", "__wbg___wbindgen_throw_4c88d8bf264fd984", "intrinsic"),
            ("./pkg_bg.js", "__wbg_static_accessor_SELF_53bb20457401453d", "intrinsic"),
            ("./pkg_bg.js", "__wbg_store_unwrap", "intrinsic"),
            ("./pkg_bg.js", "__wbg_launchMissiles_53bb20457401453d", "unknown"),
            ("./pkg_bg.js", "__wbg_log", "unknown"),
            ("__wbindgen_placeholder__", "__wbindgen_string_get", "intrinsic"),
            ("env", "emscripten_run_script", "code-generation"),
            ("env", "_emscripten_run_script_int", "code-generation"),
            ("env", "emscripten_asm_const_int", "unknown"),
            ("env", "__cxa_throw", "intrinsic"),
            ("env", "_embind_register_class", "intrinsic"),
            ("env", "__syscall_openat", "files"),
            ("env", "emscripten_get_now", "clock"),
            ("env", "abort", "intrinsic"),
            ("env", "trace", "console"),
            ("env", "seed", "random"),
            ("env", "Date.now", "clock"),
            ("env", "console.log", "console"),
            ("a", "b", "unknown"),
            ("wasi_snapshot_preview1", "clock_time_get", "clock"),
            ("wasi_snapshot_preview1", "random_get", "random"),
            ("wasi_snapshot_preview1", "fd_write", "files"),
            ("wasi_snapshot_preview1", "proc_exit", "process"),
            ("wasi_snapshot_preview1", "new_in_preview9", "unknown"),
        ];
        for (module, name, expected) in cases {
            assert_eq!(category(module, name, "function"), expected, "{module}.{name}");
        }
        assert_eq!(category("env", "memory", "memory"), "memory");
        assert_eq!(category("env", "table", "table"), "intrinsic");
    }

    #[test]
    fn shortened_names_are_what_the_glue_gives_for_them() {
        let wasm = wat::parse_str(
            r#"(module (import "a" "a" (func)) (import "a" "b" (func)) (import "a" "c" (func)) (import "a" "d" (func))
                (import "a" "e" (func)) (import "a" "f" (memory 1)) (func (export "g")))"#,
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.wasm"), wasm.unwrap()).unwrap();
        let glue = |values: &str| {
            let script = format!(
                "var f = async function(moduleArg) {{ var ENVIRONMENT_IS_NODE, wasmMemory; 'm.wasm';
                function _fd_write() {{}} var x = {{ a: 1, b: 2 }}; var wasmImports = {{{values}}}; return Module }};
                module.exports = f;"
            );
            std::fs::write(folder.path().join("m.js"), script).unwrap();
            let package = Package::open(folder.path()).unwrap();
            let policy = Policy { capabilities: vec!["intrinsic".into()], imports: vec!["a._fd_write".into()] };
            let rows = inventory(&package, &policy);
            rows.into_iter().map(|row| (row.meaning.unwrap_or_default(), row.category, row.verdict)).collect::<Vec<_>>()
        };
        use Verdict::{Allowed, Refused, Unknown};
        let row = |meaning: &str, category, verdict| (meaning.to_owned(), category, verdict);
        let all = "a: _fd_write, \"b\": __embind_register_class, c: _emscripten_run_script, d: function() {}, e: qa";
        assert_eq!(
            glue(all),
            [
                row("_fd_write", "files", Allowed),
                row("__embind_register_class", "intrinsic", Allowed),
                row("_emscripten_run_script", "code-generation", Refused),
                row("", "unknown", Unknown),
                row("qa", "unknown", Unknown),
                row("", "memory", Refused),
            ]
        );
        // An object with a part of them is another one.
        assert!(glue("a: _fd_write, b: _abort, c: _abort, d: _abort").iter().all(|(meaning, ..)| meaning.is_empty()));
    }
}
