//! What the operator chose: by flag, environment or file (in this order of strength), or our default. All settings
//! are optional. This module reads and checks; it opens and creates nothing.

mod forms;
mod table;

pub use forms::{Bucket, Place, duration_or_zero};
pub use table::{Form, SETTINGS, Setting, markdown};

use crate::domain::cmdline::Cmdline;
use crate::domain::delivery::Caps;
use crate::domain::dhcp::Mode;
use crate::domain::parking::Parking;
use crate::domain::script::check_authority;
use crate::pci_names::PciNames;
use crate::service::Settings;
use clap::{Arg, ArgMatches, Command};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A setting that does not fit: which, where it came from, what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The value has the wrong form.
    #[error("{name} (from {origin}): expected {expected}, got {got:?}")]
    Value {
        /// Setting.
        name: String,
        /// Flag, environment variable or file.
        origin: String,
        /// Form.
        expected: String,
        /// What came; never a secret.
        got: String,
    },
    /// A key of the file that is no setting.
    #[error("{file}: unknown key {key:?}: expected one of {}", table::names())]
    UnknownKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {file}: expected a readable TOML file")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{file}: expected TOML, one `name = value` a line: {message}")]
    Toml {
        /// The file.
        file: String,
        /// Where and why.
        message: String,
    },
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything that `higuma serve` needs to know.
#[derive(Clone)]
pub struct Config {
    /// All state lives here.
    pub data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://...`; may hold a password, so it is never shown.
    pub database_url: String,
    /// Plain HTTP.
    pub http_listen: SocketAddr,
    /// HTTPS.
    pub https_listen: SocketAddr,
    /// gRPC.
    pub grpc_listen: SocketAddr,
    /// Largest blob, bytes.
    pub upload_limit: u64,
    /// Bounds of downloads of blobs.
    pub blob_caps: Caps,
    /// `http://HOST:PORT` of servers that have the blobs; empty: this one keeps them itself.
    pub blob_upstream: Vec<String>,
    /// Where blobs are kept, when not in the data folder.
    pub blob_s3: Option<Bucket>,
    /// Its region.
    pub blob_s3_region: String,
    /// File with its key pair; none: the environment has it.
    pub blob_s3_credentials: Option<PathBuf>,
    /// Bytes of the cache of blobs that are elsewhere.
    pub blob_cache_size: u64,
    /// Where TFTP is served; empty: nowhere.
    pub tftp_listen: Vec<Place>,
    /// TFTP on one port.
    pub tftp_single_port: bool,
    /// Interfaces with DHCP, and what we are on each; empty: none.
    pub dhcp: Vec<(String, Mode)>,
    /// Addresses that we did not give are refused.
    pub dhcp_authoritative: bool,
    /// iPXE's files.
    pub ipxe_dir: PathBuf,
    /// Look who has an address before it is given for the first time.
    pub address_probe: bool,
    /// Database of PCI names; none: the usual places are looked at.
    pub pci_ids: Option<PathBuf>,
    /// The master key; none: systemd's credential, or the data folder's file.
    pub master_key_file: Option<PathBuf>,
    /// Log lines.
    pub log_format: LogFormat,
    /// For the use cases.
    pub settings: Settings,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { data_dir, http_listen, https_listen, grpc_listen, .. } = self;
        f.debug_struct("Config")
            .field("data_dir", data_dir)
            .field("http_listen", http_listen)
            .field("https_listen", https_listen)
            .field("grpc_listen", grpc_listen)
            .finish_non_exhaustive()
    }
}

/// The flags of `higuma serve`, as clap needs them: made from the table of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// By name of the setting, as typed.
    pub values: BTreeMap<String, String>,
}

/// Clap's id of a setting. The data folder is a global argument of the command line too: same id, same type.
fn id(setting: &Setting) -> &'static str {
    match setting.name {
        "data-dir" => "data_dir",
        name => name,
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| {
            let help = format!("{} [default: {}] [env: {}]", setting.help, setting.default, setting.env());
            let arg = Arg::new(id(setting)).long(setting.name).value_name(setting.form.word()).help(help);
            command.arg(match setting.form {
                Form::Path => arg.value_parser(clap::value_parser!(PathBuf)),
                _ => arg,
            })
        })
    }
    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            let id = id(setting);
            let value = match setting.form {
                Form::Path => matches.get_one::<PathBuf>(id).map(|path| path.display().to_string()),
                _ => matches.get_one::<String>(id).cloned(),
            };
            if let Some(value) = value {
                self.values.insert(setting.name.to_owned(), value);
            }
        }
        Ok(())
    }
}

/// One value and where it came from.
struct Given {
    value: String,
    origin: String,
}

/// All layers, strongest first.
struct Layers {
    given: BTreeMap<&'static str, Given>,
}

impl Config {
    /// Put the layers together. `env` looks an environment variable up; `root`: we run as root; `home`: for the
    /// default data folder of others.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub fn load(flags: &Flags, env: &dyn Fn(&str) -> Option<String>, root: bool) -> Result<Self, ConfigError> {
        let mut layers = Layers { given: BTreeMap::new() };
        for setting in SETTINGS {
            if let Some(value) = flags.values.get(setting.name) {
                let origin = format!("--{}", setting.name);
                layers.given.insert(setting.name, Given { value: value.clone(), origin });
            } else if let Some(value) = env(&setting.env()).filter(|v| !v.is_empty()) {
                layers.given.insert(setting.name, Given { value, origin: setting.env() });
            }
        }
        let default_dir = default_data_dir(env, root);
        let dir = |layers: &Layers| {
            layers.given.get("data-dir").map_or_else(|| default_dir.clone(), |g| g.value.clone().into())
        };
        match layers.given.get("config").map(|g| PathBuf::from(&g.value)) {
            Some(file) => layers.add_file(&file)?,
            None => {
                let file = dir(&layers).join("higuma.toml");
                if file.exists() {
                    layers.add_file(&file)?;
                }
            }
        }
        let data_dir = dir(&layers);
        layers.build(data_dir)
    }

    /// From the process's own environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_process(flags: &Flags) -> Result<Self, ConfigError> {
        Self::load(flags, &|name| std::env::var(name).ok(), nix::unistd::geteuid().is_root())
    }
}

/// Where state lives when nobody said: /var/lib/higuma for root, else the XDG data folder.
pub fn default_data_dir(env: &dyn Fn(&str) -> Option<String>, root: bool) -> PathBuf {
    let set = |name: &str| env(name).filter(|v| v.starts_with('/')).map(PathBuf::from);
    match root {
        true => PathBuf::from("/var/lib/higuma"),
        false => match set("XDG_DATA_HOME") {
            Some(dir) => dir.join("higuma"),
            None => set("HOME").unwrap_or_else(|| PathBuf::from("/tmp")).join(".local/share/higuma"),
        },
    }
}

impl Layers {
    /// The weakest layer: only what is not given yet.
    fn add_file(&mut self, file: &Path) -> Result<(), ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: name.clone(), source })?;
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError::Toml { file: name.clone(), message: e.message().to_owned() })?;
        for (key, value) in table {
            let known = SETTINGS.iter().find(|s| s.name == key && s.name != "config");
            let Some(setting) = known else { return Err(ConfigError::UnknownKey { file: name, key }) };
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                other => {
                    return Err(ConfigError::Value {
                        name: key,
                        origin: name,
                        expected: setting.form.expected().to_owned(),
                        got: other.type_str().to_owned(),
                    });
                }
            };
            self.given.entry(setting.name).or_insert(Given { value, origin: name.clone() });
        }
        Ok(())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(|g| g.value.as_str())
    }

    /// The given value, or the default of the table, through `parse`.
    fn value<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        let setting = SETTINGS.iter().find(|s| s.name == name);
        let (default, expected) = setting.map_or(("", ""), |s| (s.default, s.form.expected()));
        let text = self.text(name).unwrap_or(default);
        parse(text).ok_or_else(|| ConfigError::Value {
            name: name.to_owned(),
            origin: self.given.get(name).map_or("default", |g| g.origin.as_str()).to_owned(),
            expected: expected.to_owned(),
            got: text.to_owned(),
        })
    }

    /// An optional value.
    fn optional(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<String>, ConfigError> {
        match self.text(name) {
            None | Some("") => Ok(None),
            Some(_) => self.value(name, parse).map(Some),
        }
    }

    fn build(self, data_dir: PathBuf) -> Result<Config, ConfigError> {
        let listen = |name| self.value(name, |t| SocketAddr::from_str(t).ok());
        let time = |name| self.value(name, forms::duration);
        let grpc_listen: SocketAddr = listen("grpc-listen")?;
        let settings = Settings {
            admission: self.value("admission", |t| t.parse().ok())?,
            offer_ttl: time("offer-ttl")?,
            boot_deadline: time("boot-deadline")?,
            install_deadline: time("install-deadline")?,
            fallback_after: self.value("fallback-after", forms::tries)?,
            // Programs run in /.
            hook_dir: self
                .text("hook-dir")
                .filter(|path| !path.is_empty())
                .and_then(|path| std::path::absolute(path).ok()),
            heartbeat_interval: time("heartbeat-interval")?,
            heartbeat_timeout: time("heartbeat-timeout")?,
            parking: Parking {
                action: self.value("park", |t| t.parse().ok())?,
                after: self.value("park-after", forms::duration_or_zero)?,
            },
            poll_interval: time("poll-interval")?,
            embed_limit: self.value("embed-limit", forms::size)?,
            blob_grace: time("blob-grace")?,
            blob_urls: self.value("blob-urls", forms::http_urls)?,
            first_stage_cmdline: self.value("first-stage-cmdline", |t| t.parse::<Cmdline>().ok())?,
            advertise_grpc: self.optional("advertise-grpc", |t| check_authority(t).ok().map(str::to_owned))?,
            advertise_http: self.optional("advertise-http", forms::http_url)?,
            lldp_wait: self.value("lldp-wait", forms::duration_or_zero)?,
            bmc_manage: self.value("bmc", forms::manage_or_read)?,
            cabling_moved: self.value("cabling-moved", |t| t.parse().ok())?,
            job_stagger: self.value("job-stagger", forms::duration_or_zero)?,
            job_nodes: self.value("job-nodes", forms::count)?,
            job_keep: time("job-keep")?,
            ipxe_chain: self.value("ipxe-chain", |text| text.parse().ok())?,
            ipxe_full: self.value("ipxe-full", |text| text.parse().ok())?,
            bmc_user: self.value("bmc-user", forms::bmc_user)?,
            grpc_port: grpc_listen.port(),
            pci_names: PciNames::default(),
        };
        let database_url = match self.text("database-url").filter(|url| !url.is_empty()) {
            None => format!("sqlite:{}", data_dir.join("higuma.db").display()),
            Some(url) if ["sqlite:", "postgres://", "postgresql://"].iter().any(|s| url.starts_with(s)) => {
                url.to_owned()
            }
            Some(_) => {
                // It may hold a password: not repeated.
                return Err(ConfigError::Value {
                    name: "database-url".to_owned(),
                    origin: self.given.get("database-url").map(|g| g.origin.clone()).unwrap_or_default(),
                    expected: "sqlite:PATH or postgres://USER@HOST/NAME".to_owned(),
                    got: "(not shown)".to_owned(),
                });
            }
        };
        let blob_upstream = self.value("blob-upstream", forms::http_urls)?;
        let blob_s3 = self.value("blob-s3", forms::bucket).map_err(without_password)?;
        if blob_s3.is_some() && !blob_upstream.is_empty() {
            return Err(ConfigError::Value {
                name: "blob-s3".to_owned(),
                origin: self.given.get("blob-s3").map(|g| g.origin.clone()).unwrap_or_default(),
                expected: "off where blob-upstream is set: blobs come from servers or from an S3 store".to_owned(),
                got: self.text("blob-s3").unwrap_or_default().to_owned(),
            });
        }
        Ok(Config {
            database_url,
            http_listen: listen("http-listen")?,
            https_listen: listen("https-listen")?,
            grpc_listen,
            tftp_listen: self.value("tftp-listen", forms::places)?,
            tftp_single_port: self.value("tftp-single-port", forms::on_or_off)?,
            dhcp: self.value("dhcp", forms::dhcp)?,
            dhcp_authoritative: self.value("dhcp-authoritative", forms::on_or_off)?,
            ipxe_dir: PathBuf::from(self.text("ipxe-dir").filter(|path| !path.is_empty()).unwrap_or("/usr/lib/ipxe")),
            address_probe: self.value("address-probe", forms::on_or_off)?,
            pci_ids: self.text("pci-ids").filter(|path| !path.is_empty()).map(PathBuf::from),
            master_key_file: self.text("master-key-file").filter(|path| !path.is_empty()).map(PathBuf::from),
            upload_limit: self.value("upload-limit", forms::size)?,
            blob_upstream,
            blob_s3,
            blob_s3_region: self.value("blob-s3-region", forms::word)?,
            blob_s3_credentials: self.text("blob-s3-credentials").filter(|path| !path.is_empty()).map(PathBuf::from),
            blob_caps: Caps {
                total: self.value("blob-rate-total", forms::size)?,
                node: self.value("blob-rate-node", forms::size)?,
                downloads: self.value("blob-downloads", forms::count_or_zero)?,
            },
            blob_cache_size: self.value("blob-cache-size", |t| forms::size(t).filter(|bytes| *bytes > 0))?,
            log_format: self.value("log-format", |t| match t {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })?,
            settings,
            data_dir,
        })
    }
}

/// A URL may hold a password, where it has no place: it is not repeated.
fn without_password(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::Value { name, origin, expected, got } if got.contains('@') => {
            ConfigError::Value { name, origin, expected, got: "a URL with '@' (not shown)".to_owned() }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
