//! The main job on BIOS: a server never seen before registers, a person assigns a profile, and Debian runs from its
//! memory; cut the power, and it comes back the same.

use crate::main_way;
use higuma_tests::{Firmware, LabResult};

#[test]
fn boot_bios() -> LabResult {
    main_way::run("boot-bios", Firmware::Bios)
}
