//! What the firmware set up: BIOS or UEFI, Secure Boot, and the TPM.

use std::path::Path;

use higuma_proto::agent::Tpm;

use super::Errors;
use super::read::{bytes, entries, optional};

/// Files of efivarfs: four bytes of attributes, then the value (UEFI 2.10, 8.2; variables of 3.3).
const VARIABLES: &str = "sys/firmware/efi/efivars";
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// What the boot loader told the kernel (Documentation/arch/x86/zero-page.rst); the EFI stub fills in `secure_boot`.
const BOOT_PARAMS: &str = "sys/kernel/boot_params/data";
const BOOT_PARAMS_SECURE_BOOT: usize = 0x1ec;

/// "bios" or "uefi".
pub fn boot_mode(root: &Path) -> String {
    if root.join("sys/firmware/efi").is_dir() { "uefi" } else { "bios" }.to_owned()
}

/// "enabled", "disabled", "setup", "unsupported", or empty (and recorded) when nobody tells.
pub fn secure_boot(root: &Path, boot_mode: &str, errors: &mut Errors) -> String {
    if boot_mode != "uefi" {
        return "unsupported".to_owned();
    }
    let word = match entries(&root.join(VARIABLES)) {
        Ok(names) if !names.is_empty() => {
            let value = |name: &str| flag(root, name, errors);
            state(&names, value)
        }
        // Not mounted, or a firmware without variables at run time: the kernel asked when it still could.
        _ => from_kernel(root).map(str::to_owned),
    };
    word.unwrap_or_else(|| {
        errors.add("firmware", VARIABLES, "neither efivarfs nor the kernel's boot parameters tell of Secure Boot");
        String::new()
    })
}

fn state(names: &[String], mut value: impl FnMut(&str) -> Option<u8>) -> Option<String> {
    let there = |name: &str| names.iter().any(|n| *n == file(name));
    // A firmware that knows nothing of Secure Boot has no such variable.
    if !there("SecureBoot") {
        return Some("unsupported".to_owned());
    }
    if there("SetupMode") && value("SetupMode") == Some(1) {
        return Some("setup".to_owned());
    }
    Some(match value("SecureBoot")? {
        0 => "disabled".to_owned(),
        1 => "enabled".to_owned(),
        _ => return None,
    })
}

fn file(name: &str) -> String {
    format!("{name}-{GLOBAL}")
}

fn flag(root: &Path, name: &str, errors: &mut Errors) -> Option<u8> {
    let source = format!("{VARIABLES}/{}", file(name));
    match bytes(&root.join(&source), 64) {
        Ok(content) if content.len() == 5 => content.last().copied(),
        Ok(content) => {
            let found = format!("{} bytes, expected 4 of attributes and one of value", content.len());
            errors.add("firmware", &source, found);
            None
        }
        Err(e) => {
            errors.add("firmware", &source, e);
            None
        }
    }
}

/// `enum efi_secureboot_mode` of the kernel: 0 not set, 1 not known, 2 disabled (or in setup mode), 3 enabled.
fn from_kernel(root: &Path) -> Option<&'static str> {
    match bytes(&root.join(BOOT_PARAMS), 4_096).ok()?.get(BOOT_PARAMS_SECURE_BOOT)? {
        2 => Some("disabled"),
        3 => Some("enabled"),
        _ => None,
    }
}

/// The first TPM that the kernel drives; none: the machine has none, or it is switched off.
pub fn tpm(root: &Path, errors: &mut Errors) -> Option<Tpm> {
    const CLASS: &str = "sys/class/tpm";
    let names = entries(&root.join(CLASS)).ok()?;
    let name = names.iter().find(|n| n.strip_prefix("tpm").is_some_and(|id| id.parse::<u32>().is_ok()))?;
    let folder = root.join(CLASS).join(name);
    // Only TPM 1.x has this file, of lines `Manufacturer: 0x53544d20`.
    let caps = optional(&folder.join("device/caps")).or_else(|| optional(&folder.join("caps")));
    let version = match optional(&folder.join("tpm_version_major")).as_deref() {
        Some("2") => "2.0",
        Some("1") => "1.2",
        // Before Linux 5.6 nothing else tells them apart.
        None if caps.is_some() => "1.2",
        found => {
            let found = found.unwrap_or("nothing").to_owned();
            errors.add("tpm", &format!("{CLASS}/{name}/tpm_version_major"), format!("{found}, expected 1 or 2"));
            ""
        }
    };
    let manufacturer = caps.as_deref().and_then(manufacturer).unwrap_or_default();
    Some(Tpm { version: version.to_owned(), manufacturer })
}

/// Four letters as a hex number; `0x53544d20` is `STM`.
fn manufacturer(caps: &str) -> Option<String> {
    let value = caps.lines().find_map(|line| line.strip_prefix("Manufacturer:"))?.trim();
    let number = u32::from_str_radix(value.strip_prefix("0x")?, 16).ok()?;
    let letters: String = number.to_be_bytes().iter().map(|b| char::from(*b)).filter(char::is_ascii_graphic).collect();
    Some(if letters.is_empty() { value.to_owned() } else { letters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_a_maker() {
        assert_eq!(manufacturer("Manufacturer: 0x53544d20\nTCG version: 1.2").as_deref(), Some("STM"));
        assert_eq!(manufacturer("Manufacturer: 0x00000001").as_deref(), Some("0x00000001"));
        assert_eq!(manufacturer("Manufacturer: 53544d20"), None);
    }

    #[test]
    fn states_of_secure_boot() {
        let names = [file("SecureBoot"), file("SetupMode")];
        let told = |secure: Option<u8>, setup: Option<u8>| {
            state(&names, |name| if name == "SetupMode" { setup } else { secure }).unwrap_or_default()
        };
        assert_eq!(told(Some(1), Some(0)), "enabled");
        assert_eq!(told(Some(0), Some(0)), "disabled");
        assert_eq!(told(Some(0), Some(1)), "setup");
        assert_eq!(told(Some(7), Some(0)), "");
        assert_eq!(told(None, None), "");
        assert_eq!(state(&["Boot0000".to_owned()], |_| Some(1)).as_deref(), Some("unsupported"));
    }
}
