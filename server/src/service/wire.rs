//! From the records of the inside to the messages of the wire; one place, used by gRPC and JSON alike.

use super::firmware::{FirmwareAnswer, HandedOut};
use super::plan::Planned;
use super::{App, network, secrets};
use crate::domain::boot::{Boot, Event};
use crate::domain::drift::Difference;
use crate::domain::fallback::Fallback;
use crate::domain::firmware::TRIES;
use crate::domain::image::Image;
use crate::domain::lifecycle;
use crate::domain::node::Node;
use crate::domain::node_event::NodeEvent;
use crate::domain::plan::Plan;
use crate::domain::profile::{File, Mode, Param, PasswordHash, Profile, Unit, User};
use crate::domain::sealed::Mark;
use crate::domain::{Micros, Name, Sha256};
use crate::error::{Error, Result};
use higuma_proto::{BOOT_PLAN_VERSION, agent, api};
use std::collections::BTreeMap;

/// The plan as an agent gets it: whole URLs, settings, the boot's deadline, and the values of its secrets: for the wire only.
///
/// # Errors
/// A secret does not open.
pub fn boot_plan(app: &App, planned: &Planned) -> Result<agent::BootPlan> {
    let opened = secrets::opened(app, planned)?;
    let Planned { boot, plan, secrets: _ } = planned;
    let content = |file: &File| match &file.secret {
        None => Ok(file.content.clone().into_bytes()),
        Some(name) => match opened.get(name) {
            Some(secret) => Ok(secret.value().to_vec()),
            None => Err(Error::internal(format!("{}: secret {name} is not in the plan", file.path))),
        },
    };
    let hash = |user: &User| match &user.password_hash {
        None => Ok(String::new()),
        Some(PasswordHash::Here(hash)) => Ok(hash.clone()),
        Some(PasswordHash::Sealed { secret }) => match opened.get(secret).and_then(|secret| secret.password_hash()) {
            Some(hash) => Ok(hash.to_owned()),
            None => Err(Error::internal(format!("secret {secret} is no password hash"))),
        },
    };
    let left = boot.deadline.map_or(app.settings.boot_deadline, |d| d.saturating_sub(app.now())).max(0) / 1_000_000;
    Ok(agent::BootPlan {
        version: BOOT_PLAN_VERSION,
        hash: plan.hash.to_string(),
        boot_id: boot.id.to_string(),
        profile: plan.profile.to_string(),
        revision: plan.revision,
        image: plan.image.as_ref().map(ToString::to_string).unwrap_or_default(),
        arch: plan.arch.map(|arch| arch.to_string()).unwrap_or_default(),
        parts: plan
            .parts
            .iter()
            .map(|part| agent::Part {
                role: part.role.to_string(),
                sha256: part.sha256.to_string(),
                size: part.size,
                urls: blob_urls(app, &boot.http_base, &part.sha256),
            })
            .collect(),
        cmdline: plan.cmdline.to_string(),
        hostname: plan.hostname.to_string(),
        machine_id: plan.machine_id.clone(),
        files: plan
            .files
            .iter()
            .map(|f| {
                let (owner, group) = (f.owner.clone(), f.group.clone());
                Ok(agent::File { path: f.path.clone(), mode: f.mode, content: content(f)?, owner, group })
            })
            .collect::<Result<_>>()?,
        ssh_authorized_keys: plan.ssh_authorized_keys.clone(),
        modules: plan.modules.clone(),
        sysctl: plan.sysctl.iter().map(|(k, v)| agent::Sysctl { key: k.clone(), value: v.clone() }).collect(),
        units: plan
            .units
            .iter()
            .map(|(name, unit)| agent::Unit {
                name: name.clone(),
                content: unit.content.clone(),
                enabled: unit.enabled,
                masked: unit.masked,
            })
            .collect(),
        embed_limit_bytes: app.settings.embed_limit,
        overlay_percent: plan.overlay_percent,
        deadline_seconds: u32::try_from(left).unwrap_or(u32::MAX),
        max_attempts: 3,
        on_failure: "reboot".to_owned(),
        beside_initrd: plan.mode == Mode::Initramfs,
        users: plan
            .users
            .iter()
            .map(|(name, user)| {
                Ok(agent::User {
                    name: name.clone(),
                    uid: user.uid.unwrap_or_default(),
                    groups: user.groups.clone(),
                    shell: user.shell.clone(),
                    home: user.home.clone(),
                    comment: user.comment.clone(),
                    ssh_authorized_keys: user.ssh_authorized_keys.clone(),
                    password_hash: hash(user)?,
                    sudo_nopasswd: user.sudo.is_some(),
                })
            })
            .collect::<Result<_>>()?,
        network: plan.network.as_ref().map(|network| agent::Network {
            name_servers: network.name_servers().iter().map(ToString::to_string).collect(),
            search: network.search(),
        }),
    })
}

/// Where a blob is: at the server that the node boots from, then at the others of the setting.
fn blob_urls(app: &App, http_base: &str, sha256: &Sha256) -> Vec<String> {
    let others = app.settings.blob_urls.iter().map(String::as_str).filter(|base| *base != http_base);
    std::iter::once(http_base).chain(others).map(|base| format!("{base}/blobs/{sha256}")).collect()
}

/// What an agent is to do with the BMC. It holds passwords: for the wire only.
pub fn bmc_plan(setup: super::bmc::Setup) -> agent::GetBmcPlanResponse {
    use super::bmc::{Setup, addressing};
    use agent::get_bmc_plan_response::Answer;
    let answer = match setup {
        Setup::Leave(reason) => Answer::Leave(agent::BmcLeave { reason }),
        Setup::Set { id, user, passwords, lease } => {
            let (source, address, netmask, gateway, vlan) = addressing(lease.as_ref());
            Answer::Plan(agent::BmcPlan {
                id: id.to_string(),
                source: source.to_owned(),
                address,
                netmask,
                gateway,
                vlan,
                channel: 0,
                user,
                passwords: passwords.iter().map(|p| p.reveal().to_owned()).collect(),
                privilege: "administrator".to_owned(),
                remove_users: Vec::new(),
                close_cipher_zero: true,
                close_anonymous: true,
                sol: true,
                dhcp_wait_seconds: 60,
            })
        }
    };
    agent::GetBmcPlanResponse { answer: Some(answer) }
}

/// What an agent is told of the firmware policy.
pub fn firmware_plan(app: &App, answer: FirmwareAnswer) -> agent::GetFirmwarePlanResponse {
    use agent::get_firmware_plan_response::Answer;
    let answer = match answer {
        FirmwareAnswer::Nothing => Answer::Nothing(agent::FirmwareNothing {}),
        FirmwareAnswer::Hold { reason, retry_after } => {
            Answer::Hold(agent::FirmwareHold { reason, retry_after_seconds: retry_after })
        }
        FirmwareAnswer::Restart => Answer::Restart(agent::FirmwareRestart {
            reason: "an update was done in this boot: only a restart shows what became of it".to_owned(),
        }),
        FirmwareAnswer::Update(handed) => {
            let HandedOut { attempt, size, http_base } = *handed;
            let sha256 = attempt.program.blob.to_string();
            let urls = blob_urls(app, &http_base, &attempt.program.blob);
            Answer::Update(agent::FirmwareUpdate {
                attempt_id: attempt.id.to_string(),
                component: attempt.kind.to_string(),
                subject: attempt.subject,
                wanted: attempt.wanted,
                part: Some(agent::Part { role: "firmware".to_owned(), sha256, size, urls }),
                exec: attempt.program.exec,
                args: attempt.program.args,
                deadline_seconds: attempt.program.deadline_seconds,
                attempt: attempt.n,
                attempts: TRIES,
            })
        }
    };
    agent::GetFirmwarePlanResponse { answer: Some(answer) }
}

/// A node in a list; its conflict and the number of its open events are the caller's to fill in.
pub fn node_summary(node: &Node, boot: Option<&Boot>, now: Micros, heartbeat_timeout: Micros) -> api::NodeSummary {
    let (state, reason) = lifecycle::of_node(node, boot, now, heartbeat_timeout);
    api::NodeSummary {
        uuid: node.uuid.to_string(),
        hostname: node.hostname.to_string(),
        lifecycle: state.to_string(),
        reason,
        admission: node.admission.to_string(),
        admitted_by: node.admitted.as_ref().map(|(by, _)| by.to_string()),
        profile: node.profile.as_ref().map(ToString::to_string),
        profile_revision: node.profile_revision,
        cluster: node.cluster.as_ref().map(ToString::to_string),
        tags: node.tags.union(&node.rule_tags).map(ToString::to_string).collect(),
        manufacturer: node.manufacturer.clone(),
        product: node.product.clone(),
        serial: node.serial.clone(),
        boot_mac: node.boot_mac.as_ref().map(ToString::to_string),
        step: boot.and_then(|b| b.last_step.clone()),
        open_events: 0,
        first_seen_us: node.first_seen,
        last_seen_us: boot.and_then(|b| b.heartbeat).map_or(node.last_seen, |h| h.max(node.last_seen)),
        conflict: None,
        drift: None,
        fallback: None,
    }
}

/// A node in fallback says so, where nothing worse is said of it.
pub fn tell_fallback(summary: &mut api::NodeSummary, fallback: Option<&Fallback>) {
    let Some(fallback) = fallback else { return };
    summary.reason.get_or_insert_with(|| fallback.to_string());
    summary.fallback = Some(api::NodeFallback {
        from: fallback.from.to_string(),
        to: fallback.to.to_string(),
        since_us: fallback.since,
    });
}

/// A boot in a list.
pub fn boot_summary(boot: &Boot) -> api::BootSummary {
    api::BootSummary {
        id: boot.id.to_string(),
        node: boot.node.to_string(),
        phase: boot.phase.to_string(),
        profile: boot.profile.as_ref().map(ToString::to_string),
        revision: boot.revision,
        image: boot.image.clone(),
        plan_hash: boot.plan_hash.as_ref().map(ToString::to_string),
        started_us: boot.started,
        deadline_us: boot.deadline,
        up_us: boot.up,
        heartbeat_us: boot.heartbeat,
        failed_step: boot.failed_step.clone(),
        failed_reason: boot.failed_reason.clone(),
        os: boot.os.clone(),
        address: boot.address.map(|address| address.to_string()),
    }
}

/// An event.
pub fn event(event: &Event) -> agent::Event {
    agent::Event {
        seq: event.seq,
        at_us: event.at,
        step: event.step.clone(),
        state: event.state.to_string(),
        message: event.message.clone(),
    }
}

/// What was noticed of a node with this host name.
pub fn node_event(event: &NodeEvent, hostname: &str) -> api::NodeEvent {
    let (acknowledged_us, acknowledged_by) = event.acknowledged.clone().unzip();
    api::NodeEvent {
        id: event.id.to_string(),
        node: event.node.to_string(),
        hostname: hostname.to_owned(),
        kind: event.notice.kind.to_string(),
        severity: event.notice.severity.to_string(),
        subject: event.notice.subject.clone(),
        message: event.notice.message.clone(),
        at_us: event.at,
        cleared_us: event.cleared,
        acknowledged_us,
        acknowledged_by,
    }
}

/// An image with its labels.
pub fn image(image: &Image, labels: &[Name]) -> api::Image {
    api::Image {
        name: image.reference.name.to_string(),
        version: image.reference.version.to_string(),
        arch: image.arch.to_string(),
        cmdline: image.cmdline.to_string(),
        kernel_release: image.kernel_release.clone(),
        parts: image
            .parts
            .iter()
            .map(|p| api::ImagePart { role: p.role.to_string(), sha256: p.sha256.to_string(), size: p.size })
            .collect(),
        created_us: image.created,
        digest: image.digest().to_string(),
        labels: labels.iter().map(ToString::to_string).collect(),
        made_by: image.kept.made_by.clone(),
        notes: image.kept.notes.clone(),
        recipe: image.kept.recipe.clone(),
        contents: image.kept.contents.as_ref().map(|listing| api::ImagePart {
            role: "contents".to_owned(),
            sha256: listing.sha256.to_string(),
            size: listing.size,
        }),
    }
}

/// A profile's revision, with the numbers of its active and its newest one and of the nodes that it is assigned to.
pub fn profile(profile: &Profile, active: u32, newest: u32, nodes: u64) -> api::Profile {
    let spec = &profile.spec;
    api::Profile {
        spec: api::NewProfile {
            name: profile.name.to_string(),
            image: spec.image.as_ref().map(ToString::to_string).unwrap_or_default(),
            cmdline: spec.cmdline.to_string(),
            files: spec.files.iter().cloned().map(profile_file).collect(),
            ssh_authorized_keys: spec.ssh_authorized_keys.clone(),
            words: None,
        },
        revision: profile.revision,
        active,
        newest,
        created_us: profile.created,
        nodes,
        image_digest: None,
        parent: profile.parent.as_ref().map(ToString::to_string),
        made_by: profile.made_by.clone(),
        words: None,
        resolved: None,
    }
}

/// A plan, as a person reads it before it is assigned.
pub fn preview(
    node: &Node,
    plan: Plan,
    image: Option<&Image>,
    params: &BTreeMap<String, Param>,
) -> api::ProfilePreview {
    let unit = |Unit { content, enabled, masked, .. }| api::PreviewUnit { content, enabled, masked };
    api::ProfilePreview {
        profile: plan.profile.to_string(),
        revision: plan.revision,
        node: node.uuid.to_string(),
        hostname: plan.hostname.to_string(),
        mode: plan.mode.to_string(),
        image: image.map(|image| image.reference.to_string()),
        image_digest: image.map(|image| image.digest().to_string()),
        plan_hash: plan.hash.to_string(),
        cmdline: plan.cmdline.to_string(),
        files: plan.files.into_iter().map(profile_file).collect(),
        ssh_authorized_keys: plan.ssh_authorized_keys,
        params: params.iter().map(|(name, value)| (name.clone(), serde_json::json!(value))).collect(),
        modules: plan.modules,
        sysctl: plan.sysctl,
        units: plan.units.into_iter().map(|(name, of)| (name, unit(of))).collect(),
        users: plan.users.iter().map(|(name, user)| (name.clone(), preview_user(user))).collect(),
        secrets: plan.secrets.iter().map(|(name, mark)| preview_secret(name, mark)).collect(),
        script: plan.script,
        answer: plan.answer,
        network: plan.network.as_ref().map(network::devices).unwrap_or_default(),
    }
}

fn profile_file(file: File) -> api::ProfileFile {
    let File { path, mode, owner, group, content, secret, template } = file;
    let secret = secret.map(|name| name.to_string());
    api::ProfileFile { path, mode, content, secret, owner, group, template }
}

/// Of plans, and of words of profiles and rules.
pub fn differences(found: Vec<Difference>) -> Vec<api::PlanDifference> {
    let one = |Difference { what, old, new, lines }: Difference| api::PlanDifference { what, old, new, lines };
    found.into_iter().map(one).collect()
}

fn preview_secret(name: &Name, mark: &Mark) -> api::PreviewSecret {
    let (revision, fingerprint) = (mark.revision, mark.fingerprint.clone());
    api::PreviewSecret { name: name.to_string(), revision, fingerprint }
}

/// Without its password's hash.
fn preview_user(user: &User) -> api::PreviewUser {
    api::PreviewUser {
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.clone(),
        shell: user.shell.clone(),
        home: user.home.clone(),
        comment: user.comment.clone(),
        ssh_authorized_keys: user.ssh_authorized_keys.clone(),
        password: match &user.password_hash {
            None => "none".to_owned(),
            Some(PasswordHash::Here(_)) => "hash in the profile".to_owned(),
            Some(PasswordHash::Sealed { secret }) => format!("secret {secret}"),
        },
        sudo_nopasswd: user.sudo.is_some(),
    }
}
