//! What a NIC's driver tells (SIOCETHTOOL).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 3;
const ETHTOOL_GPERMADDR: u32 = 0x20;
const ETHTOOL_GLINKSETTINGS: u32 = 0x4c;
/// Three masks (supported, advertised, of the other end), each of as many words as its signed byte can tell.
const MASK_WORDS: usize = 3 * 127;

/// `struct ethtool_drvinfo` of linux/ethtool.h.
#[repr(C)]
struct EthtoolDrvinfo {
    cmd: u32,
    driver: [u8; 32],
    version: [u8; 32],
    fw_version: [u8; 32],
    bus_info: [u8; 32],
    erom_version: [u8; 32],
    reserved2: [u8; 12],
    counts: [u32; 5],
}

/// `struct ethtool_perm_addr` with room for the longest address (MAX_ADDR_LEN).
#[repr(C)]
struct EthtoolPermAddr {
    cmd: u32,
    size: u32,
    data: [u8; 32],
}

/// `struct ethtool_link_settings` of linux/ethtool.h with room for the longest masks. Of its fixed part, only the number
/// of words of a mask is looked at: a signed byte.
#[repr(C)]
struct EthtoolLinkSettings {
    cmd: u32,
    fixed: [u32; 11],
    masks: [u32; MASK_WORDS],
}

impl EthtoolLinkSettings {
    /// Speed (4 bytes), then duplex, port, phy_address, autoneg, mdio_support, eth_tp_mdix, eth_tp_mdix_ctrl: byte 11 of
    /// what follows the command, the last of its third word.
    fn mask_words(&self) -> i8 {
        let [_, _, _, last] = self.fixed[2].to_ne_bytes();
        last.cast_signed()
    }

    fn set_mask_words(&mut self, words: i8) {
        self.fixed = [0; 11];
        self.fixed[2] = u32::from_ne_bytes([0, 0, 0, words.cast_unsigned()]);
    }
}

/// Name of a driver and version of the NIC's firmware; empty when the driver does not tell.
pub struct DriverInfo {
    /// e.g. `virtio_net`.
    pub driver: String,
    /// As the driver writes it.
    pub firmware: String,
}

/// Asks the driver of `interface`.
///
/// # Errors
/// The system's error: ENODEV without such an interface, EOPNOTSUPP when the driver does not tell.
pub fn driver_info(interface: &str) -> io::Result<DriverInfo> {
    let mut info = EthtoolDrvinfo {
        cmd: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        version: [0; 32],
        fw_version: [0; 32],
        bus_info: [0; 32],
        erom_version: [0; 32],
        reserved2: [0; 12],
        counts: [0; 5],
    };
    ethtool(interface, &mut info)?;
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned()
    };
    Ok(DriverInfo { driver: text(&info.driver), firmware: text(&info.fw_version) })
}

/// The address burnt into the NIC; `None` when the driver does not know it.
///
/// # Errors
/// As of [`driver_info`].
pub fn permanent_mac(interface: &str) -> io::Result<Option<String>> {
    let mut answer = EthtoolPermAddr { cmd: ETHTOOL_GPERMADDR, size: 32, data: [0; 32] };
    ethtool(interface, &mut answer)?;
    let mac = answer.data.get(..6).unwrap_or_default();
    if answer.size != 6 || mac.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    Ok(Some(mac.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")))
}

/// One SIOCETHTOOL call; `T` must be the structure that its command word asks for.
pub(super) fn ethtool<T>(interface: &str, value: &mut T) -> io::Result<()> {
    // SAFETY: plain values; the result is checked before use.
    let raw = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `raw` is a fresh descriptor that nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: all-zero bytes are a valid ifreq (integers, arrays and a pointer that is set below).
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = interface.as_bytes();
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut *value).cast();
    // SAFETY: `request` and the structure it points to are whole and outlive the call; the kernel writes no more than
    // the structure of the command that stands in it.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) }).map(|_| ())
}

/// The link modes that the port of `interface` supports, as ethtool's bitmap of 32-bit words.
///
/// # Errors
/// As of [`driver_info`].
pub fn supported_link_modes(interface: &str) -> io::Result<Vec<u32>> {
    let mut settings = EthtoolLinkSettings { cmd: ETHTOOL_GLINKSETTINGS, fixed: [0; 11], masks: [0; MASK_WORDS] };
    // The first call only tells how many words a mask has in this kernel: the number, negative.
    ethtool(interface, &mut settings)?;
    let Some(words) = settings.mask_words().checked_neg().filter(|words| *words > 0) else {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    };
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    settings.set_mask_words(words);
    ethtool(interface, &mut settings)?;
    Ok(settings.masks.get(..usize::from(words.unsigned_abs())).unwrap_or_default().to_vec())
}
