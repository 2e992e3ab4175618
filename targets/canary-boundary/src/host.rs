//! What the module asks of its host. `capability`: none of it is any business of a parser.

use js_sys::{Function, Reflect};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    fn console_log(text: &str);
    #[wasm_bindgen(catch, js_namespace = localStorage, js_name = setItem)]
    fn keep(key: &str, value: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, js_name = fetch)]
    fn send(url: &str) -> Result<JsValue, JsValue>;
}

/// Says who came. `echo`: on the console, with the name.
#[wasm_bindgen]
pub fn log_visit(name: &str) {
    console_log(&format!("visit of {name}"));
}

/// Works a formula out. `capability`: with a function made of the text.
#[wasm_bindgen]
pub fn calc(formula: &str) -> Result<JsValue, JsValue> {
    Function::new_no_args(&format!("return ({formula});")).call0(&JsValue::NULL)
}

/// Keeps a draft. `capability`: drafts that begin with a slash go to the browser's storage, those with a question mark
/// to a server.
#[wasm_bindgen]
pub fn save(draft: &str) -> Result<bool, JsValue> {
    match draft.as_bytes().first() {
        Some(b'/') => keep("draft", draft).map(|()| true),
        Some(b'?') => send(&format!("/drafts{draft}")).map(|_| true),
        _ => Ok(false),
    }
}

/// Where the module runs. `host`: every host says something else.
#[wasm_bindgen]
pub fn host_name() -> String {
    let constructor = Reflect::get(&js_sys::global(), &"constructor".into());
    let name = constructor.and_then(|constructor| Reflect::get(&constructor, &"name".into()));
    name.ok().and_then(|name| name.as_string()).unwrap_or_default()
}
