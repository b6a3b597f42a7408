//! The main job on UEFI: OVMF, and iPXE as an EFI program.

use crate::main_way;
use higuma_tests::{Firmware, LabResult};

#[test]
fn boot_uefi() -> LabResult {
    main_way::run("boot-uefi", Firmware::Uefi)
}
