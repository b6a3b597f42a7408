//! Private flags of a NIC's driver (SIOCETHTOOL, `ethtool --show-priv-flags`): what they are called, which are set, and
//! setting them.

use std::io;

use super::ethtool::ethtool;

const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GPFLAGS: u32 = 0x27;
const ETHTOOL_SPFLAGS: u32 = 0x28;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETH_SS_PRIV_FLAGS: u32 = 2;
/// One bit each in a word of 32.
const MOST_FLAGS: usize = 32;
/// ETH_GSTRING_LEN.
const NAME: usize = 32;

/// `struct ethtool_sset_info` for one string set.
#[repr(C)]
struct SsetInfo {
    cmd: u32,
    reserved: u32,
    sset_mask: u64,
    data: [u32; 2],
}

/// `struct ethtool_gstrings` with room for all flags that a word can hold.
#[repr(C)]
struct GStrings {
    cmd: u32,
    string_set: u32,
    len: u32,
    data: [[u8; NAME]; MOST_FLAGS],
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    cmd: u32,
    data: u32,
}

/// Names of the flags, the first for the lowest bit, and the bits that are set.
///
/// # Errors
/// The system's error: ENODEV without such an interface, EOPNOTSUPP when the driver has no such flags.
pub fn private_flags(interface: &str) -> io::Result<(Vec<String>, u32)> {
    let mut info = SsetInfo { cmd: ETHTOOL_GSSET_INFO, reserved: 0, sset_mask: 1 << ETH_SS_PRIV_FLAGS, data: [0; 2] };
    ethtool(interface, &mut info)?;
    let [count, _] = info.data;
    let count = count as usize;
    if info.sset_mask == 0 || count == 0 || count > MOST_FLAGS {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    // The kernel fills in as many names as the driver has, which is the number that it told just now.
    let mut strings = GStrings {
        cmd: ETHTOOL_GSTRINGS,
        string_set: ETH_SS_PRIV_FLAGS,
        len: info.data[0],
        data: [[0; NAME]; MOST_FLAGS],
    };
    ethtool(interface, &mut strings)?;
    let text = |bytes: &[u8; NAME]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(NAME);
        String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned()
    };
    let names = strings.data.iter().take(count).map(text).collect();
    let mut value = Value { cmd: ETHTOOL_GPFLAGS, data: 0 };
    ethtool(interface, &mut value)?;
    Ok((names, value.data))
}

/// Sets the whole word of flags.
///
/// # Errors
/// The system's error; the driver's own when it refuses.
pub fn set_private_flags(interface: &str, bits: u32) -> io::Result<()> {
    ethtool(interface, &mut Value { cmd: ETHTOOL_SPFLAGS, data: bits })
}
