//! Native HL7 v2 parsers, on messages built with `arbitrary`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    autoclave_fuzz::native::hl7v2(data);
});

#[cfg(not(fuzzing))]
fn main() {
    autoclave_fuzz::replay_files(autoclave_fuzz::native::hl7v2);
}
