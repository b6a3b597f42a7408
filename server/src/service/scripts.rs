//! Which script a machine's iPXE gets. A fetched script offers a boot (a nonce, bounded in number and expiring); a
//! preview offers nothing.

use super::{App, identity, install, new_secret};
use crate::domain::boot::clean;
use crate::domain::cmdline::Cmdline;
use crate::domain::identity::{Told, Why};
use crate::domain::image::Arch;
use crate::domain::offer::{OFFERS_PER_NODE, Offer};
use crate::domain::profile::Mode;
use crate::domain::script::{self, FirstStage, Machine, Script, Way};
use crate::domain::secret::Secret;
use crate::domain::{Mac, NodeUuid};
use crate::error::Result;

/// What a transport needs to render a script.
#[derive(Debug, Clone)]
pub struct ScriptAnswer {
    /// The decision.
    pub script: Script,
    /// Why, for people.
    pub why: String,
    /// `http://HOST:PORT` of the plain listener, as this machine reaches it.
    pub http_base: String,
    /// `HOST:PORT` of the agents' gRPC.
    pub grpc: String,
    /// The node, as far as iPXE's words lead; Register decides.
    pub node: Option<NodeUuid>,
    /// There is such a node; else it is a name that it would get.
    pub known: bool,
    /// MAC that it booted from.
    pub mac: Option<Mac>,
    /// The operator's additions to the first stage's command line.
    pub cmdline: Cmdline,
    /// Minted for a first stage; none in a preview.
    pub nonce: Option<Secret>,
}

/// The script for `machine`, whose request came to `host` (`HOST:PORT`, the Host header). Offers a boot where the
/// decision is the first stage. Errors: a host that is none, the database.
pub async fn script(app: &App, machine: Machine, host: &str) -> Result<ScriptAnswer> {
    let mut answer = decide(app, machine.clone(), None, host).await?;
    let now = app.now();
    let own = match answer.script {
        Script::FirstStage(_) => None,
        Script::LocalDisk => Some(Mode::LocalDisk),
        Script::Own(_) => Some(Mode::Ipxe),
        _ => return Ok(answer),
    };
    if let Some((way, node)) = own.zip(answer.node.clone()) {
        // From now on nothing is heard of it; its last boot is over when it stays silent.
        app.store.write(move |tx| tx.put_own_boot(&node, way, now)).await?;
        return Ok(answer);
    }
    let nonce = new_secret()?;
    let Machine { told, mac, .. } = machine;
    let line = |text: &str| clean(text, 200);
    let offer = Offer {
        nonce_hash: nonce.hash(),
        node: answer.node.clone(),
        mac,
        told: Told {
            uuid: told.uuid,
            manufacturer: line(&told.manufacturer),
            product: line(&told.product),
            serial: line(&told.serial),
        },
        http_base: answer.http_base.clone(),
        created: now,
        expires: now + app.settings.offer_ttl,
        bound: None,
    };
    app.store.write(move |tx| tx.put_offer(&offer, OFFERS_PER_NODE)).await?;
    metrics::counter!("higuma_offers_total").increment(1);
    answer.nonce = Some(nonce);
    Ok(answer)
}

/// The decision, without offering anything; for `node` when it is given, else for whom the machine says it is.
async fn decide(app: &App, machine: Machine, node: Option<NodeUuid>, host: &str) -> Result<ScriptAnswer> {
    let (http_base, grpc) = addresses(app, host)?;
    let (asked, arch) = (machine.clone(), machine.arch);
    let base = http_base.clone();
    let (name, conflict, node, stage, way) = app
        .store
        .read(move |tx| {
            let (name, why) = match node {
                Some(node) => (Some(node), None),
                None => identity::of_machine(tx, &asked)?.map(|who| (who.name, who.why)).unzip(),
            };
            let conflict = match why {
                Some(Why::Conflict { with, differs }) => Some(format!("; its UUID is that of node {with}: {differs}")),
                _ => None,
            };
            let node = name.as_ref().map(|u| tx.node(u)).transpose()?.flatten();
            let stage = arch.map(|a| tx.first_stage(a)).transpose()?.flatten();
            let way =
                node.as_ref().map(|node| install::way(tx, node, arch, &base)).transpose()?.unwrap_or(Way::FirstStage);
            Ok((name, conflict.unwrap_or_default(), node, stage, way))
        })
        .await?;
    let stage = stage.map(|s| first_stage(&s)).transpose()?;
    let known = node.is_some();
    let (script, why) = script::decide(&machine, node.as_ref(), way, stage.as_ref());
    Ok(ScriptAnswer {
        script,
        why: why + &conflict,
        http_base,
        grpc,
        node: name,
        known,
        mac: machine.mac,
        cmdline: app.settings.first_stage_cmdline.clone(),
        nonce: None,
    })
}

/// What a known or unknown node would get, for a person. The MAC is the one that it booted from last.
pub async fn preview_node(app: &App, uuid: NodeUuid, arch: Arch, host: &str) -> Result<ScriptAnswer> {
    let key = uuid.clone();
    let node = app.store.read(move |tx| tx.node(&key)).await?;
    let mac = node.and_then(|n| n.boot_mac);
    let told = Told { uuid: Some(uuid.clone()), ..Told::default() };
    decide(app, Machine { told, mac, arch: Some(arch) }, Some(uuid), host).await
}

fn first_stage(stored: &higuma_proto::api::FirstStage) -> Result<FirstStage> {
    Ok(FirstStage {
        arch: stored.spec.arch.parse()?,
        kernel: stored.spec.kernel.parse()?,
        initramfs: stored.spec.initramfs.parse()?,
    })
}

/// Addresses under which the machine reaches us: what the operator advertises, else the host that it asked.
fn addresses(app: &App, host: &str) -> Result<(String, String)> {
    let settings = &app.settings;
    let http = match &settings.advertise_http {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None => format!("http://{}", script::check_authority(host)?),
    };
    let grpc = match &settings.advertise_grpc {
        Some(authority) => authority.clone(),
        None => {
            let host = script::check_authority(host)?;
            let name = match host.rsplit_once(':') {
                Some((name, _)) if !host.ends_with(']') => name,
                _ => host,
            };
            format!("{name}:{}", settings.grpc_port)
        }
    };
    Ok((http, grpc))
}
