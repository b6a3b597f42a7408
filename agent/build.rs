//! Tells the agent when it was built: a clock before that is certainly wrong. `SOURCE_DATE_EPOCH` makes it reproducible.
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_secs()).unwrap_or(0);
    let time = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|v| v.parse::<u64>().ok()).unwrap_or(now);
    println!("cargo:rustc-env=HIGUMA_BUILD_TIME={time}");
}
