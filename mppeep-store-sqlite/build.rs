//! Tells cargo that a new migration changes the crate: the macro that embeds them sees only those it read last time.
#![expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
