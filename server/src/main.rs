//! `higuma`: the server and the command line for people.
fn main() {}
