//! The one table of settings: flags, environment variables, file keys, `higuma serve --help` and the page of the book
//! all come from it.

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Folder or file.
    Path,
    /// Database.
    Database,
    /// ADDRESS:PORT.
    Listen,
    /// Addresses or network interfaces, or off.
    Listens,
    /// http://HOST:PORT.
    HttpUrl,
    /// Several of them, or off.
    HttpUrls,
    /// A bucket of an S3 store, or off.
    S3,
    /// One word.
    Word,
    /// HOST:PORT.
    Authority,
    /// 90s, 15m, 24h.
    Duration,
    /// The same, and 0s.
    DurationOrZero,
    /// 512MiB.
    Size,
    /// 20000.
    Count,
    /// The same, and 0.
    CountOrZero,
    /// 0 to 20.
    Tries,
    /// Kernel command line.
    Cmdline,
    /// Account of a BMC.
    BmcUser,
    /// Network interfaces, each with what we are on it, or off.
    Dhcp,
    /// Nodes: off, all, or an expression.
    Nodes,
    /// One of these words.
    Words(&'static str),
}

impl Form {
    /// Placeholder in the help.
    pub fn word(self) -> &'static str {
        match self {
            Self::Path => "PATH",
            Self::Database => "URL",
            Self::Listen => "ADDRESS:PORT",
            Self::Listens => "ADDRESS|INTERFACE[,...]|off",
            Self::Dhcp => "INTERFACE=proxy|server[,...]|off",
            Self::Nodes => "off|all|EXPRESSION",
            Self::HttpUrl => "http://HOST:PORT",
            Self::HttpUrls => "http://HOST:PORT[,...]|off",
            Self::S3 => "https://HOST/BUCKET[/PREFIX]|off",
            Self::Word => "WORD",
            Self::Authority => "HOST:PORT",
            Self::Duration | Self::DurationOrZero => "DURATION",
            Self::Size => "SIZE",
            Self::Count | Self::CountOrZero | Self::Tries => "NUMBER",
            Self::Cmdline => "PARAMETERS",
            Self::BmcUser => "NAME",
            Self::Words(words) => words,
        }
    }

    /// For messages.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Path => "a path",
            Self::Database => "sqlite:PATH or postgres://USER@HOST/NAME",
            Self::Listen => "ADDRESS:PORT, e.g. 0.0.0.0:8080 or [::]:8080",
            Self::Listens => {
                "off, or addresses of this machine or network interfaces, with commas, e.g. 10.0.0.1 or eth1,10.1.0.1:69"
            }
            Self::Dhcp => {
                "off, or network interfaces, each with =proxy or =server, with commas, e.g. eth1=proxy or eth1=server,eth2=proxy"
            }
            Self::Nodes => "off, all, or an expression over a node, e.g. node.product == \"R650\"",
            Self::HttpUrl => "http://HOST:PORT, e.g. http://10.0.0.1:8080",
            Self::HttpUrls => {
                "off, or up to 8 of http://HOST:PORT, each once, with commas, e.g. http://10.0.0.1:8080,http://10.0.0.2:8080"
            }
            Self::S3 => {
                "off, or http or https://HOST[:PORT]/BUCKET[/PREFIX], without user or password, e.g. https://s3.example.net/higuma"
            }
            Self::Word => "letters, digits and '-'",
            Self::Authority => "HOST:PORT, e.g. 10.0.0.1:8444 or [fd00::1]:8444",
            Self::Duration => "a number above zero with ms, s, m, h or d, e.g. 90s or 15m",
            Self::DurationOrZero => "a number with ms, s, m, h or d, e.g. 3s, or 0s for none",
            Self::Size => "a number with KiB, MiB, GiB or TiB, e.g. 512MiB",
            Self::Count => "a whole number above zero, e.g. 20000",
            Self::CountOrZero => "a whole number, e.g. 1000, or 0 for no bound",
            Self::Tries => "a whole number from 1 to 20, or 0 for never",
            Self::BmcUser => "1 to 16 letters, digits, '-' or '_', beginning with a letter",
            Self::Cmdline => "kernel parameters: one line of printable ASCII, without higuma.*",
            Self::Words(words) => words,
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Flag (`--name`) and key of the file; the environment variable is made from it.
    pub name: &'static str,
    /// What it looks like.
    pub form: Form,
    /// In words where the value depends on something.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
}

impl Setting {
    /// `HIGUMA_DATA_DIR`.
    pub fn env(&self) -> String {
        format!("HIGUMA_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

const fn s(name: &'static str, form: Form, default: &'static str, help: &'static str) -> Setting {
    Setting { name, form, default, help }
}

/// All of them.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    s("config", Form::Path, "<data-dir>/higuma.toml when it exists", "Configuration file (TOML, the same names)"),
    s("data-dir", Form::Path, "/var/lib/higuma as root, else $XDG_DATA_HOME/higuma", "Folder of all state: database, blobs, certificate authority, admin token"),
    s("database-url", Form::Database, "sqlite:<data-dir>/higuma.db", "Where state is kept"),
    s("http-listen", Form::Listen, "[::]:8080", "Plain HTTP: iPXE scripts and public boot artefacts only"),
    s("https-listen", Form::Listen, "[::]:8443", "HTTPS: pages, API, JSON callbacks"),
    s("grpc-listen", Form::Listen, "[::]:8444", "gRPC over TLS: agents"),
    s("advertise-http", Form::HttpUrl, "the host that iPXE asked", "Plain HTTP as nodes reach it"),
    s("advertise-grpc", Form::Authority, "the host that iPXE asked, with the port of grpc-listen", "gRPC as nodes reach it"),
    s("admission", Form::Words("auto|approve|known-only"), "approve", "What happens with a machine that was never seen"),
    s("offer-ttl", Form::Duration, "10m", "How long the boot nonce of a script is good"),
    s("boot-deadline", Form::Duration, "15m", "A boot that is not up so long after its plan has failed"),
    s("install-deadline", Form::Duration, "1h", "An installer that has not called back so long after its plan has failed"),
    s("fallback-after", Form::Tries, "3", "After so many failed boots of a revision a node gets the one that it ran last (0: never)"),
    s("hook-dir", Form::Path, "none: rollouts run no programs", "Folder of programs that rollouts may run as hooks (command:NAME), as the server's user"),
    s("heartbeat-interval", Form::Duration, "60s", "How often a running node says that it lives"),
    s("heartbeat-timeout", Form::Duration, "3m", "A node not heard from for so long is not running any more"),
    s("park", Form::Words("wait|poweroff|reboot"), "wait", "What a node without a profile does, where no rule says otherwise"),
    s("park-after", Form::DurationOrZero, "10m", "How long it waits for a profile before it powers off or reboots (0s: not at all)"),
    s("poll-interval", Form::Duration, "5s", "How often a waiting node asks again"),
    s("lldp-wait", Form::DurationOrZero, "3s", "How long a boot waits for LLDP neighbours that are not known from the last one"),
    s("bmc", Form::Words("manage|read"), "manage", "What agents do with the BMCs of admitted nodes: set them up, or only read them"),
    s("cabling-moved", Form::Words("log|hold"), "log", "What follows when a node is behind another switch port than at its last boot"),
    s("embed-limit", Form::Size, "512MiB", "Root file systems up to this size are embedded in the second stage, larger ones streamed"),
    s("upload-limit", Form::Size, "64GiB", "Largest blob"),
    s("blob-grace", Form::Duration, "1h", "Blobs that nothing uses are removed when they are older"),
    s("blob-rate-total", Form::Size, "0", "Bytes a second that all downloads of blobs together may take, shared fairly between clients (0: no bound)"),
    s("blob-rate-node", Form::Size, "0", "Bytes a second that the downloads of one client address may take (0: no bound)"),
    s("blob-downloads", Form::CountOrZero, "0", "Downloads of blobs at the same time; above it clients are told when to ask again (0: no bound)"),
    s("blob-urls", Form::HttpUrls, "off", "Servers over the same database from which nodes take blobs too, beside the one that they boot from: plain HTTP"),
    s("blob-upstream", Form::HttpUrls, "off", "For a boot server near the racks: plain HTTP of servers over the same database that have the blobs, tried in turn; this one keeps a cache of them"),
    s("blob-s3", Form::S3, "off", "Blobs are kept in this bucket of an S3 store (Ceph RGW, MinIO, AWS), which all servers over the database share; this one keeps a cache of them"),
    s("blob-s3-region", Form::Word, "us-east-1", "Region that requests to the S3 store are signed for"),
    s("blob-s3-credentials", Form::Path, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment", "File with the lines aws_access_key_id = ... and aws_secret_access_key = ...; read again when it changes"),
    s("blob-cache-size", Form::Size, "20GiB", "Size of the cache of blobs that are elsewhere (the data folder's blob-cache); no blob may be larger"),
    s("first-stage-cmdline", Form::Cmdline, "console=tty0 console=ttyS0,115200", "Added to the first stage's kernel command line"),
    s("job-stagger", Form::DurationOrZero, "500ms", "Time between two nodes of a job that are powered on, so that not all draw their inrush current at once"),
    s("job-nodes", Form::Count, "20000", "Nodes of one job, at most"),
    s("job-keep", Form::Duration, "90d", "How long jobs that ended are kept"),
    s("pci-ids", Form::Path, "/usr/share/misc/pci.ids or /usr/share/hwdata/pci.ids", "Names of PCI devices (Debian package pci.ids); without it, ids are shown"),
    s("master-key-file", Form::Path, "the systemd credential higuma-master-key, else <data-dir>/master.key", "Key that seals BMC passwords"),
    s("bmc-user", Form::BmcUser, "higuma", "Account that Higuma sets up on BMCs"),
    s("tftp-listen", Form::Listens, "off", "TFTP, read only, for firmware that starts iPXE from the network: on these addresses, port 69"),
    s("tftp-single-port", Form::Words("on|off"), "off", "TFTP answers from the port that was asked, for firewalls and NAT"),
    s("dhcp", Form::Dhcp, "off", "DHCP: on these interfaces, beside a DHCP server that gives the addresses (proxy), or as the DHCP server of their networks (server)"),
    s("dhcp-authoritative", Form::Words("on|off"), "off", "A DHCP server of ours refuses (NAK) addresses that it has not given; off: machines with such addresses are let alone"),
    s("ipxe-dir", Form::Path, "/usr/lib/ipxe", "iPXE's files for TFTP and HTTP boot: undionly.kpxe, snponly.efi and so on (Debian package ipxe)"),
    s("ipxe-chain", Form::Nodes, "off", "Machines whose own iPXE (a ROM of the NIC, say) loads that of ipxe-dir first, once"),
    s("ipxe-full", Form::Nodes, "off", "Machines that begin with iPXE's full build (ipxe.efi, ipxe.pxe) instead of snponly.efi and undionly.kpxe"),
    s("address-probe", Form::Words("on|off"), "on", "Before a BMC, or a client of DHCP, gets its address for the first time, look for a second whether a machine on this network has it"),
    s("log-format", Form::Words("text|json"), "text", "How log lines are written (what is logged: RUST_LOG)"),
];

/// Names, for messages.
pub fn names() -> String {
    let names: Vec<&str> = SETTINGS.iter().map(|s| s.name).filter(|n| *n != "config").collect();
    names.join(", ")
}

/// The table as a page of the book.
pub fn markdown() -> String {
    let mut out = String::from("| setting | environment | form | default | |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let form = setting.form.word().replace('|', "\\|");
        out += &format!(
            "| `{}` | `{}` | {form} | {} | {} |\n",
            setting.name,
            setting.env(),
            setting.default.replace('<', "&lt;"),
            setting.help
        );
    }
    out
}
