//! How a package is loaded, by evidence: what its entry says, what that imports, what its module imports.

use super::{PackageError, ScriptFile};
use crate::glue::module::Shape;
use crate::glue::script::Script;
use crate::wire::Glue;

/// A kind of glue and why it is thought to be that.
pub type Verdict = (Glue, Vec<String>);

/// Kind of the entry among the scripts that it reaches (itself first).
pub fn kind(scripts: &[ScriptFile], module: &Shape) -> Result<Verdict, PackageError> {
    let Some(entry) = scripts.first() else { return Ok(without_script(module)) };
    let Some(script) = &entry.script else {
        let what = entry.fault.clone().unwrap_or_default();
        return Err(PackageError::Unsupported { file: entry.path.clone(), what });
    };
    if let Some(verdict) = own(&entry.path, script, module)? {
        return Ok(verdict);
    }
    let hands_on = script.is_module && script.imports.iter().any(|import| import.ends_with(".wasm"));
    for other in &scripts[1..] {
        let Some(script) = &other.script else { continue };
        let inner = own(&other.path, script, module).ok().flatten();
        if let Some((kind, mut evidence)) = inner {
            if kind == Glue::BindgenBundler && hands_on {
                evidence.push(format!("{} hands it on", entry.path));
                return Ok((kind, evidence));
            }
            evidence.insert(0, format!("{} reaches {} ({kind:?})", entry.path, other.path));
            return Ok((Glue::Wrapper, evidence));
        }
    }
    let loads = scripts.iter().find(|other| {
        other.script.as_ref().is_some_and(|script| script.has(&["WebAssembly"]) || !script.modules.is_empty())
    });
    Ok(match loads {
        Some(other) => (Glue::Wrapper, vec![format!("{} loads the module in a way of its own", other.path)]),
        None => {
            let mut verdict = without_script(module);
            verdict.1.insert(0, format!("{} does not load a module", entry.path));
            verdict
        }
    })
}

fn without_script(module: &Shape) -> Verdict {
    let is_wasi = module.imports.iter().any(|import| import.module.starts_with("wasi_"));
    if is_wasi {
        let kind =
            if module.is_command() { "a command, which has `_start`" } else { "a reactor: its exports are called" };
        return (Glue::Wasi, vec![format!("the module imports WASI and no script loads it: {kind}")]);
    }
    (Glue::Raw, vec!["no script loads the module: its exports are called".to_owned()])
}

/// Kind of one script by its own marks; none where it is no generated glue.
fn own(path: &str, script: &Script, module: &Shape) -> Result<Option<Verdict>, PackageError> {
    let seen = |marks: &[&str]| {
        let names: Vec<&str> = marks.iter().copied().filter(|mark| script.has(&[mark])).collect();
        format!("{path} has {}", names.join(", "))
    };
    let unsupported = |what: &str| Err(PackageError::Unsupported { file: path.to_owned(), what: what.to_owned() });
    let bindgen = ["__wbg_get_imports", "__wbg_init", "__wbg_set_wasm", "__wbindgen_", "wasm_bindgen"];
    if script.has(&bindgen[..4]) {
        let mut evidence = vec![seen(&bindgen)];
        let imports_module = script.imports.iter().any(|import| import.ends_with(".wasm"));
        let reads_file = script.has(&["readFileSync"]);
        return if script.top.contains("wasm_bindgen") {
            unsupported("wasm-bindgen's --target no-modules leaves a global: build with --target web or nodejs")
        } else if imports_module && script.is_module {
            evidence.push("it imports the .wasm as a module: --target bundler".to_owned());
            Ok(Some((Glue::BindgenBundler, evidence)))
        } else if script.is_module && script.has_default {
            evidence.push("its default export initialises: --target web".to_owned());
            Ok(Some((Glue::BindgenWeb, evidence)))
        } else if script.is_commonjs && !script.is_module && script.has(&["WebAssembly", "readFileSync"]) {
            evidence.push("it is CommonJS and reads its module itself: --target nodejs".to_owned());
            Ok(Some((Glue::BindgenNodejs, evidence)))
        } else if script.is_module && (reads_file || script.has(&["instantiateStreaming", "instantiate"])) {
            evidence.push("it is an ES module that reads its module itself".to_owned());
            Ok(Some((Glue::Wrapper, evidence)))
        } else {
            // `…_bg.js`, which another script completes.
            Ok(None)
        };
    }
    let assembly = ["adaptedExports", "adaptedImports", "__liftString", "__lowerString", "__liftTypedArray"];
    if script.has(&assembly) || (script.awaits_exports && script.top.contains("instantiate")) {
        let mut evidence = vec![if script.has(&assembly) { seen(&assembly) } else { seen(&["instantiate"]) }];
        evidence.push(if script.awaits_exports {
            "it awaits its exports: AssemblyScript, --bindings esm".to_owned()
        } else {
            "it exports `instantiate`: AssemblyScript, --bindings raw".to_owned()
        });
        return Ok(Some((Glue::Assemblyscript, evidence)));
    }
    let emscripten = [
        "ENVIRONMENT_IS_NODE",
        "ENVIRONMENT_IS_WORKER",
        "createWasm",
        "onRuntimeInitialized",
        "moduleArg",
        "wasmMemory",
    ];
    let marks = emscripten.iter().filter(|mark| script.has(&[mark])).count();
    // Minified glue keeps only what callers may set.
    let minified = script.has(&["onRuntimeInitialized", "HEAPU8"]) && script.has(&["WebAssembly"]);
    let imports = module
        .imports
        .iter()
        .any(|import| import.name.starts_with("emscripten_") || import.name.starts_with("_embind_"));
    if marks >= 2 || minified || (imports && script.has(&["HEAPU8"])) {
        let mut evidence = vec![seen(&emscripten)];
        if script.shares_module {
            return unsupported(
                "Emscripten's output without -sMODULARIZE leaves a global: build with -sMODULARIZE, or name a wrapper \
                 as `entry` in boundary.toml",
            );
        }
        if script.is_module && !script.has_default {
            evidence.push("it is an ES module with Emscripten's output within".to_owned());
            return Ok(Some((Glue::Wrapper, evidence)));
        }
        if !script.is_commonjs && !script.has_default {
            return unsupported(
                "Emscripten's output exports nothing: build with -sMODULARIZE -sEXPORT_ES6, or name a wrapper as \
                 `entry` in boundary.toml",
            );
        }
        evidence.push(if script.has_default {
            "its default export is a factory: Emscripten, -sMODULARIZE -sEXPORT_ES6".to_owned()
        } else {
            "module.exports is a factory: Emscripten, -sMODULARIZE".to_owned()
        });
        return Ok(Some((Glue::Emscripten, evidence)));
    }
    Ok(None)
}
