//! Tests of the record and of every rendering of it.

mod controls;
mod formats;
mod glue;
mod hostile;
mod limits;
mod record;
mod sample;
mod schema;
mod secrets;
mod tools;
