//! Notes by key, as an object of the app.

use js_sys::Function;
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

/// Notes by key. `forged`: its pointer is a property that everybody can write.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Store {
    notes: BTreeMap<String, String>,
    /// Visits that it was made for. `range`: as for every `u32`.
    pub visits: u32,
}

#[wasm_bindgen]
impl Store {
    /// An empty one.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Store {
        Store::default()
    }

    /// How many notes there are.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.notes.len()
    }

    /// Keeps a note.
    pub fn set(&mut self, key: String, value: String) {
        self.notes.insert(key, value);
    }

    /// The note of that key.
    pub fn get(&self, key: &str) -> Option<String> {
        self.notes.get(key).cloned()
    }

    /// Calls a function with every note. What it does with the store meanwhile is refused by wasm-bindgen.
    pub fn each(&self, f: &Function) -> Result<(), JsValue> {
        for (key, value) in &self.notes {
            f.call2(&JsValue::NULL, &key.into(), &value.into())?;
        }
        Ok(())
    }

    /// Puts another store's notes in, and takes it over.
    pub fn merge(&mut self, other: Store) {
        self.notes.extend(other.notes);
        self.visits = self.visits.wrapping_add(other.visits);
    }

    /// All notes in lines; the store is used up.
    pub fn take(self) -> String {
        self.notes.into_iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
    }
}
