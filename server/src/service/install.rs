//! Installers: their answer file, the call at their end, and installing again. An installer has no credential but the
//! token in its addresses: it is of one boot, reads that boot's answer file and ends its installation, and nothing else.

use super::nodes::find;
use super::{App, events, new_secret, nodes, plan, templates};
use crate::domain::boot::{Boot, EventState, Phase};
use crate::domain::image::Arch;
use crate::domain::install::{self as domain, ATTEMPTS_MAX, Install, Next, given_up};
use crate::domain::node::{Admission, Node};
use crate::domain::plan::Plan;
use crate::domain::profile::Mode;
use crate::domain::profile::template::Urls;
use crate::domain::script::Way;
use crate::domain::secret::Secret;
use crate::domain::{Micros, Name, NodeUuid};
use crate::error::{Error, Result};
use crate::store::Tx;
use higuma_proto::{api, steps};

/// What an installer may read under its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The answer file.
    Answer,
    /// cloud-init's instance-id and host name.
    MetaData,
    /// cloud-init asks for it; there is none.
    VendorData,
}

impl Document {
    /// By the last part of its address.
    pub fn called(name: &str) -> Option<Self> {
        match name {
            "answer" | "user-data" => Some(Self::Answer),
            "meta-data" => Some(Self::MetaData),
            "vendor-data" => Some(Self::VendorData),
            _ => None,
        }
    }
}

/// One attempt to install, before it is counted.
pub(super) struct Attempt {
    token: Secret,
    /// Where its installer finds what it needs.
    pub(super) urls: Urls,
}

impl Attempt {
    /// With a token of its own. Errors: no random bytes.
    pub(super) fn new(boot: &Boot) -> Result<Self> {
        let token = new_secret()?;
        Ok(Self { urls: Urls::of_installer(&boot.http_base, token.reveal()), token })
    }

    /// It is handed out: counted once a boot, and any token of before is void. `boot`: as it was before.
    pub(super) fn begin(self, tx: &mut Tx<'_>, boot: &Boot, node: &Node, plan: &Plan, now: Micros) -> Result<()> {
        let (profile, revision) = (plan.profile.clone(), plan.revision);
        let Next::Install(attempts) = next(tx, node, boot, &profile)? else {
            return Err(Error::Conflict("this installation is over: ask for the plan again".to_owned()));
        };
        if boot.phase != Phase::Booting {
            let text = format!("attempt {attempts} of {ATTEMPTS_MAX}, profile {profile} revision {revision}");
            events::note(tx, boot, steps::INSTALL, EventState::Started, text, now)?;
        }
        let (node, boot, token_hash) = (node.uuid.clone(), boot.id, self.token.hash());
        tx.put_install(&Install { node, profile, revision, attempts, boot, token_hash, started: now, installed: None })
    }
}

/// What follows for a node with an installer profile, in this boot: a first stage that tries again (a download that broke off)
/// is the same attempt.
pub(super) fn next(tx: &mut Tx<'_>, node: &Node, boot: &Boot, profile: &Name) -> Result<Next> {
    Ok(domain::next(profile, tx.install(&node.uuid)?.as_ref(), Some(boot.id)))
}

/// A machine registered whose installer was given up: its boot has failed before it began, so that people see it.
pub(super) fn at_register(tx: &mut Tx<'_>, boot: &mut Boot, node: &Node, now: Micros) -> Result<()> {
    let Some(name) = &node.profile else { return Ok(()) };
    let Some(last) = tx.install(&node.uuid)? else { return Ok(()) };
    if domain::next(name, Some(&last), None) != Next::GivenUp || !is_installer(tx, node)? {
        return Ok(());
    }
    let reason = given_up(name);
    events::note(tx, boot, steps::INSTALL, EventState::Failed, reason.clone(), now)?;
    if boot.fail(steps::INSTALL, &reason) {
        tx.put_boot(boot)?;
    }
    Ok(())
}

fn is_installer(tx: &mut Tx<'_>, node: &Node) -> Result<bool> {
    let Some(name) = &node.profile else { return Ok(false) };
    let profile = tx.profile_at(name, node.profile_revision)?;
    Ok(profile.is_some_and(|profile| profile.spec.mode == Some(Mode::Installer)))
}

/// The attempt of a token, its boot and its node. Errors: there is none, or a newer boot has taken its place.
fn of_token(tx: &mut Tx<'_>, token: &Secret) -> Result<(Install, Boot, Node)> {
    let gone = || Error::NotFound("this address is of no installation that is under way".to_owned());
    let install = tx.install_by_token(&token.hash())?.ok_or_else(gone)?;
    let boot = tx.boot(install.boot)?.ok_or_else(gone)?;
    let node = tx.node(&install.node)?.ok_or_else(gone)?;
    if node.retired || node.admission != Admission::Admitted {
        return Err(gone());
    }
    if node.boot != Some(boot.id) {
        return Err(Error::Conflict("this installation was ended by a newer boot of the same node".to_owned()));
    }
    Ok((install, boot, node))
}

/// What an installer reads, until it has called back or its deadline has passed. Errors: a token that is none (any more);
/// an answer file that does not fit the node.
pub async fn read(app: &App, token: Secret, document: Document) -> Result<String> {
    let now = app.now();
    app.store
        .read(move |tx| {
            let (install, boot, node) = of_token(tx, &token)?;
            if install.installed.is_some() || boot.deadline.is_some_and(|deadline| deadline < now) {
                return Err(Error::NotFound(
                    "this installation is over: its address gives nothing any more".to_owned(),
                ));
            }
            match document {
                Document::VendorData => Ok(String::new()),
                Document::MetaData => Ok(format!("instance-id: {}\nlocal-hostname: {}\n", boot.id, node.hostname)),
                Document::Answer => {
                    let profile = tx.profile_revision(&install.profile, install.revision)?.ok_or_else(|| {
                        Error::NotFound(format!("profile {} does not exist any more", install.profile))
                    })?;
                    let urls = Urls::of_installer(&boot.http_base, token.reveal());
                    let rendered = templates::rendered(tx, &node, profile, None, Some(&urls))?;
                    Ok(rendered.map_err(|failed| Error::Conflict(failed.to_string()))?.spec.answer)
                }
            }
        })
        .await
}

/// The installer is at its end: from now on the node boots from its disk. Again: the same answer. Errors: a token that is
/// none, or a newer boot has taken its place.
pub async fn done(app: &App, token: Secret) -> Result<()> {
    let now = app.now();
    let first = app
        .store
        .write(move |tx| {
            let (mut install, mut boot, mut node) = of_token(tx, &token)?;
            if install.installed.is_some() {
                return Ok(None);
            }
            install.installed = Some(now);
            tx.put_install(&install)?;
            let (profile, revision) = (&install.profile, install.revision);
            let text =
                format!("profile {profile} revision {revision} is on the disk, which the node boots from now on");
            events::note(tx, &boot, steps::INSTALL, EventState::Ok, text, now)?;
            (boot.failed_step, boot.failed_reason) = (None, None);
            boot.last_step = Some(steps::INSTALL.to_owned());
            boot.up = Some(now);
            // Nothing more is heard of it.
            if !boot.advance(Phase::Ended) {
                return Err(Error::Conflict(format!("this boot is {}: nothing was installed in it", boot.phase)));
            }
            tx.put_boot(&boot)?;
            node.last_seen = now;
            tx.put_node(&node)?;
            Ok(Some(boot))
        })
        .await?;
    if let Some(boot) = first {
        tracing::info!(node = %boot.node, boot = %boot.id, "node {} is installed", boot.node);
        metrics::counter!("higuma_boots_total", "outcome" => "installed").increment(1);
    }
    Ok(())
}

/// End the boots of nodes that were left to themselves and not heard of since; at most `limit`. Returns how many.
pub(super) async fn end_left(app: &App, limit: usize) -> Result<usize> {
    let silent = app.now() - app.settings.heartbeat_timeout;
    let left = app.store.read(move |tx| tx.left_boots(silent, limit)).await?;
    let mut ended = 0;
    for id in left {
        let done = app.store.write(move |tx| {
            let Some(mut boot) = tx.boot(id)? else { return Ok(false) };
            if boot.heartbeat.or(boot.up).is_some_and(|heard| heard >= silent) || !boot.advance(Phase::Ended) {
                return Ok(false);
            }
            (boot.failed_step, boot.failed_reason) = (None, None);
            tx.put_boot(&boot)?;
            Ok(true)
        });
        ended += usize::from(done.await?);
    }
    Ok(ended)
}

/// By which way iPXE boots a node that may boot; `arch`: what iPXE says that it runs on, `http_base`: as it reaches us.
pub(super) fn way(tx: &mut Tx<'_>, node: &Node, arch: Option<Arch>, http_base: &str) -> Result<Way> {
    let Some(name) = &node.profile else { return Ok(Way::FirstStage) };
    let Some(profile) = tx.profile_at(name, node.profile_revision)? else { return Ok(Way::FirstStage) };
    match profile.spec.mode {
        Some(Mode::LocalDisk) => Ok(Way::Disk(format!("profile {name} boots it from its disk"))),
        Some(Mode::Installer) => match domain::next(name, tx.install(&node.uuid)?.as_ref(), None) {
            Next::Disk => Ok(Way::Disk(format!("installed by profile {name}: it boots from its disk"))),
            Next::Install(_) | Next::GivenUp => Ok(Way::FirstStage),
        },
        Some(Mode::Ipxe) => {
            let urls = Urls::of_script(http_base);
            match plan::would_for(tx, node, &mut plan::Profiles::default(), Some(&urls))? {
                // A node that only ever boots so has no inventory that tells.
                Ok(plan) => Ok(match arch.and_then(|arch| plan::not_for(arch, &plan)) {
                    Some(other) => Way::Unfit(other.to_string()),
                    None => Way::Script(plan.script),
                }),
                Err(why) => Ok(Way::Unfit(why.to_string())),
            }
        }
        Some(Mode::Diskless | Mode::Initramfs) | None => Ok(Way::FirstStage),
    }
}

/// For people.
pub(super) fn detail(tx: &mut Tx<'_>, node: &NodeUuid) -> Result<api::NodeDisk> {
    let install = tx.install(node)?.map(|install| api::NodeInstall {
        profile: install.profile.to_string(),
        revision: install.revision,
        attempts: install.attempts,
        started_us: install.started,
        installed_us: install.installed,
    });
    let left = tx.own_boot(node)?.map(|(way, at)| api::NodeLeft { way: way.to_string(), at_us: at });
    Ok(api::NodeDisk { install, left })
}

/// Install a node again at its next boot. Errors: its profile is no installer.
pub async fn again(app: &App, uuid: NodeUuid) -> Result<api::NodeDetail> {
    let key = uuid.clone();
    app.store
        .write(move |tx| {
            let node = find(tx, &key)?;
            if !is_installer(tx, &node)? {
                return Err(Error::Conflict(format!(
                    "node {} has no profile of the mode installer: assign one first",
                    node.hostname
                )));
            }
            tx.delete_install(&node.uuid)?;
            Ok(())
        })
        .await?;
    nodes::show(app, uuid).await
}
