//! Tells cargo that a new migration changes the crate: the macro that embeds them sees only those it read last time.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
