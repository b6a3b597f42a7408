//! What a machine boots: a table of files by platform, and the quirks of firmware that were seen, each with who has it.
//! Pure: what files there are, and what this node is to get, comes in as values.

use super::arch::{Arch, Load, Platform};
use super::reply::{Reply, code};
use super::request::Request;
use super::silence::Silence;
use std::fmt;
use std::net::Ipv4Addr;

/// Which of iPXE's builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Build {
    /// Goes on with the network driver that the firmware has loaded: works wherever the firmware got so far.
    #[default]
    Snponly,
    /// With iPXE's own network drivers, for firmware whose driver is bad.
    Full,
}

/// What one node, or a machine that nobody knows, may boot from us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootSettings {
    /// Whether it is to boot from us at all.
    pub boots: bool,
    /// The build to begin with.
    pub build: Build,
    /// iPXE that is not ours (a ROM, another build) is made to load ours once.
    pub own_ipxe: bool,
    /// It has loaded ours: the TFTP or HTTP transfer was completed, and not long ago. This ends the loop.
    pub fetched: bool,
    /// Next server of TFTP.
    pub tftp: Ipv4Addr,
    /// Base URL of our plain HTTP listener as this net reaches it, `http://10.0.0.1:8080`, without a slash at its end.
    pub http: String,
    /// Names of the files that there are (`crate::tftp::IpxeFiles::names`).
    pub files: Vec<String>,
}

/// Folder of the URLs of the same files, by HTTP.
pub const HTTP_FOLDER: &str = "boot";
/// Where an iPXE goes on.
pub const SCRIPT: &str = "boot.ipxe";

/// Platform, `snponly`, full build.
const FILES: &[(Platform, &str, &str)] = &[
    // undionly.kpxe keeps the ROM's network driver (UNDI): what snponly is on UEFI.
    (Platform::Bios, "undionly.kpxe", "ipxe.pxe"),
    (Platform::X64, "snponly.efi", "ipxe.efi"),
    (Platform::Ia32, "snponly-i386.efi", "ipxe-i386.efi"),
    (Platform::Arm32, "snponly-arm32.efi", "ipxe-arm32.efi"),
    (Platform::Arm64, "snponly-arm64.efi", "ipxe-arm64.efi"),
];

/// What it is told to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootFile {
    /// iPXE: this script, by HTTP.
    Script(String),
    /// A file of ours, by TFTP.
    Tftp(String),
    /// A file of ours, by UEFI's HTTP boot: its URL.
    Http(String),
}

impl BootFile {
    /// Name or URL.
    pub fn name(&self) -> &str {
        match self {
            Self::Script(name) | Self::Tftp(name) | Self::Http(name) => name,
        }
    }
}

impl fmt::Display for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(url) => write!(f, "iPXE's script {url}"),
            Self::Tftp(name) => write!(f, "{name} by TFTP"),
            Self::Http(url) => write!(f, "{url} by HTTP boot"),
        }
    }
}

/// Does it ask for something to boot?
pub fn asks(request: &Request) -> bool {
    request.is_ipxe() || request.is_pxe() || request.is_http_boot()
}

/// What this client boots.
///
/// # Errors
/// Why nothing.
pub fn choose(request: &Request, settings: &BootSettings) -> Result<BootFile, Silence> {
    if !asks(request) {
        return Err(Silence::NotABootClient);
    }
    if !settings.boots {
        return Err(Silence::NotBooted);
    }
    let ipxe = request.is_ipxe();
    // A build without HTTP can do nothing with a URL: ours can.
    let able = request.ipxe.as_ref().is_none_or(super::request::Ipxe::has_http);
    // After ours there is no other to load, whatever it says of itself: this is what ends the loop.
    if ipxe && (settings.fetched || (able && !settings.own_ipxe)) {
        return Ok(BootFile::Script(format!("{}/{SCRIPT}", settings.http)));
    }
    // The class says how it loads, and not the number: firmware has been seen to send one number for both.
    let load = if !ipxe && request.is_http_boot() { Load::Http } else { Load::Tftp };
    let archs = request.architectures();
    let platforms: Vec<Platform> = archs.iter().filter_map(|arch| arch.known()?.platform).collect();
    let mut missing = Vec::new();
    for platform in &platforms {
        match file(*platform, settings) {
            Ok(name) if load == Load::Http => {
                return Ok(BootFile::Http(format!("{}/{HTTP_FOLDER}/{name}", settings.http)));
            }
            Ok(name) => return Ok(BootFile::Tftp(name.to_owned())),
            Err(name) => missing.push(name),
        }
    }
    match missing.first() {
        // An iPXE that has HTTP goes on without ours: better than not at all.
        _ if ipxe && able => Ok(BootFile::Script(format!("{}/{SCRIPT}", settings.http))),
        Some(name) => Err(Silence::NoFile { archs, name }),
        None => Err(Silence::NoArch(archs)),
    }
}

/// The file of a platform: the other build where the wished one is not there.
fn file(platform: Platform, settings: &BootSettings) -> Result<&'static str, &'static str> {
    let Some((_, snponly, full)) = FILES.iter().find(|(known, _, _)| *known == platform) else { return Err("") };
    let order = match settings.build {
        Build::Snponly => [*snponly, *full],
        Build::Full => [*full, *snponly],
    };
    let there = order.into_iter().find(|name| settings.files.iter().any(|file| file == name));
    there.ok_or(order[0])
}

/// A quirk of firmware: who has it, and what is done about it.
struct Quirk {
    /// For whom.
    applies: fn(&Request, &BootFile) -> bool,
    /// What to do.
    act: fn(&mut Reply, &Request, &BootFile),
}

fn is_uefi(request: &Request) -> bool {
    request.architectures().iter().any(|arch| *arch != Arch::BIOS)
}

/// In their order. (Numbers of option 93 that are sent by the wrong machines are in `arch`; a REQUEST of EDK2 that takes
/// 65280 bytes, and the 300 bytes that relays expect, are the codec's.)
const QUIRKS: &[Quirk] = &[
    // PXE 2.1, 2.2.3: a client takes an offer of files only from one who calls itself PXEClient.
    Quirk {
        applies: |r, f| r.is_pxe() && !matches!(f, BootFile::Http(_)),
        act: |p, _, _| p.set(code::CLASS, "PXEClient"),
    },
    // UEFI specification, 24.7.4, and EDK2: without this class in the offer, its URL is not looked at.
    Quirk { applies: |_, f| matches!(f, BootFile::Http(_)), act: |p, _, _| p.set(code::CLASS, "HTTPClient") },
    // PXE 2.1, table 2-1: discovery control, bit 3: take the file that is in this offer. Without it, ROMs (Intel's, and those
    // made from it) look for a boot server by multicast, or show a menu; EDK2 asks on port 4011 first.
    Quirk {
        applies: |r, f| r.is_pxe() && !matches!(f, BootFile::Http(_)),
        act: |p, _, _| p.set(code::VENDOR, [6, 1, 8, 255]),
    },
    // RFC 4578, 2.3: the client's own identifier goes back, whatever form it has.
    Quirk {
        applies: |r, _| r.guid.is_some(),
        act: |p, r, _| r.guid.iter().for_each(|guid| p.set(code::GUID, guid.clone())),
    },
    // EDK2 reads options 66 and 67 before the header. ROMs of BIOS machines read the header (PXE 2.1, table 2-1), and for
    // the sake of some dnsmasq ends option 67 with a zero, against RFC 2132, 2: they get the header alone.
    Quirk {
        applies: |r, f| matches!(f, BootFile::Tftp(_)) && is_uefi(r) && r.wants(code::TFTP_SERVER),
        act: |p, _, _| p.set(code::TFTP_SERVER, p.siaddr.to_string()),
    },
    Quirk {
        applies: |r, f| {
            let asked = is_uefi(r) && r.wants(code::BOOT_FILE);
            // HTTP boot knows no other place; a URL may be longer than the header's field.
            asked || matches!(f, BootFile::Http(_)) || f.name().len() > 127
        },
        act: |p, _, f| p.set(code::BOOT_FILE, f.name()),
    },
];

/// Writes what it boots into the reply.
pub fn put(reply: &mut Reply, request: &Request, settings: &BootSettings, file: &BootFile) {
    reply.siaddr = settings.tftp;
    // Longer ones go into option 67 alone; the codec sees to the rest.
    if file.name().len() <= 127 {
        file.name().clone_into(&mut reply.file);
    }
    for quirk in QUIRKS.iter().filter(|quirk| (quirk.applies)(request, file)) {
        (quirk.act)(reply, request, file);
    }
}

/// In a whole offer of ours to iPXE: do not wait for a ProxyDHCP beside it (iPXE's setting `no-pxedhcp`), which costs
/// seconds.
pub fn no_proxy(reply: &mut Reply, request: &Request) {
    if request.is_ipxe() {
        reply.set(code::IPXE, [176, 1, 1]);
    }
}
