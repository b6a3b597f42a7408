//! Names of the steps of a boot, in the order in which they happen. Used as `Event.step` and shown to people.

/// Mount /proc, /sys, /dev, /run.
pub const MOUNTS: &str = "mounts";
/// Load kernel modules for the hardware found.
pub const MODULES: &str = "modules";
/// Bring up an interface and get an address.
pub const NETWORK: &str = "network";
/// Step the clock forward when it is before the build time.
pub const CLOCK: &str = "clock";
/// Read what the machine is made of.
pub const INVENTORY: &str = "inventory";
/// Listen for LLDP neighbours.
pub const LLDP: &str = "lldp";
/// Register with the server.
pub const REGISTER: &str = "register";
/// Set the BMC up, in-band.
pub const BMC: &str = "bmc";
/// Do what the firmware policy asks for.
pub const FIRMWARE: &str = "firmware";
/// Get a boot plan (or wait for one).
pub const PLAN: &str = "plan";
/// Download and verify the parts.
pub const DOWNLOAD: &str = "download";
/// Check that everything fits in memory, and decide between embedding and streaming.
pub const MEMORY: &str = "memory";
/// Pack the second stage's initramfs.
pub const PACK: &str = "pack";
/// `kexec_file_load`.
pub const LOAD: &str = "load";
/// Jump into the second stage.
pub const KEXEC: &str = "kexec";
/// The installer of a node's disk, until it calls back. The server's own.
pub const INSTALL: &str = "install";
/// Second stage: mounts, network and streaming of the root file system, overlay, the node's files.
pub const SECOND_STAGE: &str = "second-stage";
/// Second stage: the operating system is up.
pub const UP: &str = "up";

/// All of them, in order.
pub const ALL: &[&str] = &[
    MOUNTS,
    MODULES,
    NETWORK,
    CLOCK,
    INVENTORY,
    LLDP,
    REGISTER,
    BMC,
    FIRMWARE,
    PLAN,
    DOWNLOAD,
    MEMORY,
    PACK,
    LOAD,
    KEXEC,
    SECOND_STAGE,
    UP,
];
