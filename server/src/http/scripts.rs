//! iPXE's scripts: rendered only from validated types, so that no line can be injected.

use super::failure::{Answer, Failure};
use super::{State, host};
use crate::domain::identity::Told;
use crate::domain::image::Arch;
use crate::domain::script::{Machine, Script, arch_from_ipxe, check_authority};
use crate::domain::{NodeUuid, Sha256};
use crate::error::{Error, Result};
use crate::service::exchanges::{self, Who};
use crate::service::network;
use crate::service::scripts::{self, ScriptAnswer};
use crate::tls::host_of;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use higuma_proto::api::{Exchange, ScriptPreview};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "boot.ipxe")]
struct Boot;

#[derive(Template)]
#[template(path = "first-stage.ipxe")]
struct FirstStage<'a> {
    base: &'a str,
    kernel: &'a Sha256,
    initramfs: &'a Sha256,
    site: &'a Sha256,
    cmdline: &'a str,
}

#[derive(Template)]
#[template(path = "no-first-stage.ipxe")]
struct NoFirstStage<'a> {
    base: &'a str,
    arch: Arch,
}

#[derive(Template)]
#[template(path = "rejected.ipxe")]
struct Rejected<'a> {
    base: &'a str,
    node: String,
}

#[derive(Template)]
#[template(path = "local-disk.ipxe")]
struct LocalDisk<'a> {
    base: &'a str,
}

#[derive(Template)]
#[template(path = "unfit.ipxe")]
struct Unfit<'a> {
    base: &'a str,
    node: String,
}

#[derive(Template)]
#[template(path = "unsupported.ipxe")]
struct Unsupported<'a> {
    base: &'a str,
}

#[derive(Template)]
#[template(path = "nameless.ipxe")]
struct Nameless<'a> {
    base: &'a str,
}

/// The script of an answer; `site`: blob of the site part.
fn render(answer: &ScriptAnswer, site: &Sha256) -> Result<String> {
    let base = answer.http_base.as_str();
    check_authority(base.strip_prefix("http://").unwrap_or(base))?;
    check_authority(&answer.grpc)?;
    let text = match &answer.script {
        Script::FirstStage(stage) => {
            let cmdline = cmdline(answer);
            let (kernel, initramfs) = (&stage.kernel, &stage.initramfs);
            FirstStage { base, kernel, initramfs, site, cmdline: &cmdline }.render()
        }
        Script::NoFirstStage(arch) => NoFirstStage { base, arch: *arch }.render(),
        // The operator's, checked when it was rendered.
        Script::Own(script) => return Ok(script.clone()),
        Script::LocalDisk => LocalDisk { base }.render(),
        Script::Unfit => Unfit { base, node: named(answer) }.render(),
        Script::Rejected => Rejected { base, node: named(answer) }.render(),
        Script::Unsupported => Unsupported { base }.render(),
        Script::Nameless => Nameless { base }.render(),
    };
    finished(text)
}

fn named(answer: &ScriptAnswer) -> String {
    answer.node.as_ref().map_or_else(|| "UUID".to_owned(), ToString::to_string)
}

/// askama leaves the last line open.
fn finished(text: askama::Result<String>) -> Result<String> {
    Ok(text.map_err(Error::internal)? + "\n")
}

/// The first stage's command line; `initrd=` names the parts for UEFI, `panic=60` restarts a machine that stopped.
fn cmdline(answer: &ScriptAnswer) -> String {
    let nonce = answer.nonce.as_ref().map_or("<nonce>", |n| n.reveal());
    let bootif = answer.mac.as_ref().map(|mac| format!(" BOOTIF={}", mac.bootif())).unwrap_or_default();
    let node = answer.node.as_ref().map(|node| format!(" higuma.node={node}")).unwrap_or_default();
    let ScriptAnswer { http_base, grpc, cmdline, .. } = answer;
    let text = format!(
        "initrd=first-stage.img initrd=site.img{bootif}{node} higuma.http={http_base} higuma.grpc={grpc} \
         higuma.nonce={nonce} panic=60 {cmdline}"
    );
    text.trim_end().to_owned()
}

fn text(script: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(script)
}

/// GET /boot.ipxe.
pub async fn boot() -> Answer {
    Ok(text(finished(Boot.render())?))
}

/// What iPXE says of the machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    mac: String,
    serial: String,
    asset: String,
    manufacturer: String,
    product: String,
    arch: String,
    platform: String,
}

/// Who asks; the word `unknown` where the firmware tells no UUID.
fn machine(path: &str, said: &Said) -> Result<Machine> {
    let uuid: Option<NodeUuid> = match path {
        "unknown" => None,
        text => Some(text.parse()?),
    };
    let Said { manufacturer, product, serial, .. } = said.clone();
    let told = Told { uuid, manufacturer, product, serial };
    // A MAC that is none (an interface that is not Ethernet) is no reason to leave a machine without a script.
    Ok(Machine { told, mac: said.mac.parse().ok(), arch: arch_from_ipxe(&said.arch) })
}

/// GET /ipxe/{uuid}/detail: host name, addresses and network of the node, as JSON. Nothing is given or changed by it.
pub async fn detail(state: Data<State>, path: Path<String>, said: Query<Said>) -> Answer {
    let found = network::detail(&state.app, machine(&path, &said)?).await?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(found))
}

/// GET /ipxe/{uuid}.
pub async fn script(state: Data<State>, path: Path<String>, said: Query<Said>, request: HttpRequest) -> Answer {
    let machine = machine(&path, &said)?;
    let uuid = machine.told.uuid.clone();
    let machine_mac = machine.mac.as_ref().map(ToString::to_string).unwrap_or_default();
    let answer = scripts::script(&state.app, machine, host(&request)?).await?;
    let Said { serial, asset, manufacturer, product, arch, platform, mac } = said.into_inner();
    tracing::info!(
        uuid = uuid.as_ref().map(|u| u.as_str()),
        node = answer.node.as_ref().map(|u| u.as_str()),
        mac,
        serial,
        asset,
        manufacturer,
        product,
        arch,
        platform,
        decision = answer.script.name(),
        "script for {}: {}, {}",
        path,
        answer.script.name(),
        answer.why
    );
    let peer = request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
    let who = Who {
        mac: machine_mac,
        uuid: uuid.as_ref().map(ToString::to_string).unwrap_or_default(),
        node: answer.node.as_ref().filter(|_| answer.known).map(ToString::to_string).unwrap_or_default(),
    };
    if let Some(peer) = request.peer_addr() {
        state.app.exchanges.holds(peer.ip(), who.clone());
    }
    state.app.exchanges.write(Exchange {
        result: answer.script.name().to_owned(),
        detail: answer.why.clone(),
        mac: who.mac,
        uuid: who.uuid,
        node: who.node,
        client: peer.clone(),
        address: peer,
        ..exchanges::exchange(state.app.now(), "script", "iPXE script")
    });
    metrics::counter!("higuma_scripts_total", "decision" => answer.script.name()).increment(1);
    Ok(text(render(&answer, &state.site)?))
}

/// For a preview.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct For {
    arch: Option<String>,
}

/// GET /api/v1/nodes/{uuid}/script: what it would get, and why; nothing is minted.
pub async fn preview(state: Data<State>, path: Path<String>, query: Query<For>, request: HttpRequest) -> Answer {
    let uuid: NodeUuid = path.parse()?;
    let arch: Arch = query.arch.as_deref().filter(|a| !a.is_empty()).unwrap_or("x86_64").parse()?;
    // We were asked by HTTPS; nodes ask the plain listener on the same host.
    let asked = host(&request)?;
    let name = match host_of(asked) {
        v6 if v6.contains(':') => format!("[{v6}]"),
        name => name.to_owned(),
    };
    let asked = format!("{name}:{}", state.http_port);
    let answer = scripts::preview_node(&state.app, uuid, arch, &asked).await.map_err(Failure)?;
    Ok(HttpResponse::Ok().json(ScriptPreview {
        decision: answer.script.name().to_owned(),
        why: answer.why.clone(),
        script: render(&answer, &state.site)?,
    }))
}

#[cfg(test)]
mod tests;
