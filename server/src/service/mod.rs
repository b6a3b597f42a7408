//! Use cases, one a file: each loads records, lets `domain` decide, and stores the outcome in one transaction.
//! A transport calls these and renders; nothing here knows HTTP or gRPC.

pub mod apply;
pub mod auth;
pub mod blobs;
pub mod bmc;
pub mod boots;
pub mod cabling;
pub mod credentials;
pub mod delivery;
pub mod dhcp;
pub mod drift;
pub mod enrol;
pub mod events;
pub mod exchanges;
pub mod expected;
pub mod facts;
pub mod fallback;
pub mod firmware;
pub mod first_stage;
pub mod history;
pub mod identity;
pub mod image_gc;
pub mod image_labels;
pub mod images;
pub mod install;
pub mod ipam;
pub mod jobs;
pub mod network;
pub mod node_events;
pub mod nodes;
pub(crate) mod parking;
pub mod plan;
pub mod preview;
mod profile_words;
pub mod profiles;
pub mod register;
pub mod rollouts;
pub mod rules;
pub mod scripts;
pub mod scrub;
mod search;
pub mod secrets;
pub mod shared_blobs;
pub mod status;
pub mod sweep;
pub mod switches;
mod templates;
pub mod up;
pub mod vault;
pub mod wire;

use crate::domain::Micros;
use crate::domain::cabling::MovedPolicy;
use crate::domain::node::AdmissionPolicy;
use crate::domain::parking::{ParkAction, Parking};
use crate::domain::secret::Secret;
use crate::domain::select::Which;
use crate::error::{Error, Result};
use crate::pci_names::PciNames;
use crate::store::Store;
use crate::vault::Vault;
use std::sync::Arc;

/// What the use cases share; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// State.
    pub store: Store,
    /// What the operator chose.
    pub settings: Arc<Settings>,
    /// Rung when there may be something to do in a job.
    pub wake: Arc<tokio::sync::Notify>,
    /// Sessions of BMCs.
    pub bmcs: crate::bmc::Sessions,
    /// Consoles that are open.
    pub consoles: bmc::console::Consoles,
    /// What machines asked of boot services lately.
    pub exchanges: exchanges::Journal,
    /// What DHCP remembers between packets.
    pub dhcp: dhcp::Memory,
    /// What the last scrub of blobs found.
    pub scrub: scrub::Scrub,
    /// The master keys.
    pub vault: Vault,
    /// Looks who has an address before it is given for the first time; none: nobody looks.
    pub prober: Option<Arc<dyn ipam::Prober>>,
}

/// What the operator chose, as the use cases need it. Times in microseconds.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What happens with a machine never seen.
    pub admission: AdmissionPolicy,
    /// A nonce is good for so long.
    pub offer_ttl: Micros,
    /// From plan to ReportUp.
    pub boot_deadline: Micros,
    /// From an installer's start to its callback.
    pub install_deadline: Micros,
    /// So many failed boots of a revision, and the one that ran last is used; 0: never.
    pub fallback_after: u32,
    /// Folder of the programs that may be hooks of rollouts; none: no program is.
    pub hook_dir: Option<std::path::PathBuf>,
    /// Sent to the second stage.
    pub heartbeat_interval: Micros,
    /// Not heard from for so long: no longer running.
    pub heartbeat_timeout: Micros,
    /// What a node without a profile does, where no rule says otherwise.
    pub parking: Parking,
    /// How often a waiting agent asks.
    pub poll_interval: Micros,
    /// Root file systems up to this size (bytes) are embedded in the second stage's initramfs.
    pub embed_limit: u64,
    /// Unused blobs younger than this are kept.
    pub blob_grace: Micros,
    /// `http://HOST:PORT` of servers that nodes take blobs from beside the one that they boot from.
    pub blob_urls: Vec<String>,
    /// Added to the first stage's kernel command line.
    pub first_stage_cmdline: crate::domain::cmdline::Cmdline,
    /// `HOST:PORT` of the agents' gRPC, as nodes reach it; none: the host of the script request with `grpc_port`.
    pub advertise_grpc: Option<String>,
    /// `http://HOST:PORT` of the plain listener, as nodes reach it; none: the host of the script request.
    pub advertise_http: Option<String>,
    /// A boot waits so long for LLDP neighbours at most; zero: not at all.
    pub lldp_wait: Micros,
    /// BMCs are set up; else only read.
    pub bmc_manage: bool,
    /// What follows when a cable moved.
    pub cabling_moved: MovedPolicy,
    /// Between the starts of two nodes of a job that draw inrush current, when nothing is said.
    pub job_stagger: Micros,
    /// Nodes of one job, at most.
    pub job_nodes: usize,
    /// Jobs that ended are kept for so long.
    pub job_keep: Micros,
    /// Nodes whose own iPXE loads ours first.
    pub ipxe_chain: Which,
    /// Nodes that begin with iPXE's full build, with drivers of its own.
    pub ipxe_full: Which,
    /// Account that we set up on BMCs.
    pub bmc_user: String,
    /// Our gRPC port.
    pub grpc_port: u16,
    /// Read when the server starts.
    pub pci_names: PciNames,
}

impl Default for Settings {
    fn default() -> Self {
        const SECOND: Micros = 1_000_000;
        Self {
            admission: AdmissionPolicy::Approve,
            offer_ttl: 600 * SECOND,
            boot_deadline: 900 * SECOND,
            install_deadline: 3600 * SECOND,
            fallback_after: 3,
            hook_dir: None,
            heartbeat_interval: 60 * SECOND,
            heartbeat_timeout: 180 * SECOND,
            parking: Parking { action: ParkAction::Wait, after: 600 * SECOND },
            poll_interval: 5 * SECOND,
            embed_limit: 512 << 20,
            blob_grace: 3600 * SECOND,
            blob_urls: Vec::new(),
            first_stage_cmdline: crate::domain::cmdline::Cmdline::default(),
            advertise_grpc: None,
            advertise_http: None,
            lldp_wait: 3 * SECOND,
            bmc_manage: true,
            cabling_moved: MovedPolicy::Log,
            job_stagger: SECOND / 2,
            job_nodes: 20_000,
            job_keep: 90 * 86_400 * SECOND,
            ipxe_chain: Which::Off,
            ipxe_full: Which::Off,
            bmc_user: "higuma".to_owned(),
            grpc_port: 8444,
            pci_names: PciNames::default(),
        }
    }
}

impl App {
    /// Over a store.
    pub fn new(store: Store, settings: Settings) -> Self {
        Self {
            store,
            settings: Arc::new(settings),
            wake: Arc::default(),
            bmcs: crate::bmc::Sessions::default(),
            consoles: bmc::console::Consoles::default(),
            exchanges: exchanges::Journal::default(),
            dhcp: dhcp::Memory::default(),
            scrub: scrub::Scrub::default(),
            vault: Vault::in_memory(Vec::new()),
            prober: None,
        }
    }

    /// With these master keys.
    pub fn with_vault(self, vault: Vault) -> Self {
        Self { vault, ..self }
    }

    /// The clock: microseconds since 1970 UTC.
    pub fn now(&self) -> Micros {
        jiff::Timestamp::now().as_microsecond()
    }
}

/// A new secret from the operating system's generator.
pub fn new_secret() -> Result<Secret> {
    Ok(Secret::from_bytes(random_bytes()?))
}

/// From the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    use rand::TryRng;
    let mut bytes = [0u8; N];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}
