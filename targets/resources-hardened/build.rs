//! Declares a maximum for the linear memory: what the contract of a browser grants, 256 MiB. Without one a module may ask
//! for 4 GiB, whatever its readers bound.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=--max-memory=268435456");
}
