//! Embedded migrations: a new folder must be seen, which the macro alone does not.
fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
