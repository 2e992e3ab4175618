//! Room for frames that are as large as compilation without optimisation leaves them.

fn main() {
    // As much as a thread has where the library is deployed: 8 MiB.
    println!("cargo:rustc-link-arg-cdylib=-zstack-size=8388608");
    println!("cargo:rerun-if-changed=build.rs");
}
