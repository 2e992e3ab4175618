//! Notes by key. Only the wrapper holds the object, where nobody can reach it.

use crate::{JsError, refused, text};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;

/// Most notes of one store.
const NOTES_MAX: usize = 1000;

/// Notes by key.
#[wasm_bindgen]
#[derive(Default)]
pub struct Store {
    notes: BTreeMap<String, String>,
    /// Visits that it was made for.
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
    pub fn set(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), JsError> {
        let (key, value) = (text(key)?, text(value)?);
        if self.notes.len() >= NOTES_MAX && !self.notes.contains_key(&key) {
            return Err(refused("the store is full"));
        }
        self.notes.insert(key, value);
        Ok(())
    }

    /// The note of that key.
    pub fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, JsError> {
        Ok(self.notes.get(&text(key)?).map(|note| note.as_bytes().to_vec()))
    }

    /// The key of the note at that place.
    pub fn key_at(&self, at: usize) -> Option<Vec<u8>> {
        self.notes.keys().nth(at).map(|key| key.as_bytes().to_vec())
    }

    /// Puts another store's notes in, and takes it over.
    pub fn merge(&mut self, other: Store) -> Result<(), JsError> {
        if self.notes.len() + other.notes.len() > NOTES_MAX {
            return Err(refused("the store is full"));
        }
        let visits = self.visits.checked_add(other.visits).ok_or_else(|| refused("too many visits"))?;
        self.notes.extend(other.notes);
        self.visits = visits;
        Ok(())
    }

    /// All notes in lines; the store is used up.
    pub fn take(self) -> Vec<u8> {
        let lines: String = self.notes.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        lines.into_bytes()
    }
}
