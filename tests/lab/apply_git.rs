//! A git repository is the source of truth: exported, committed, applied by the command line. What is applied twice changes
//! nothing the second time; a commit that does not fit changes nothing at all; going back a commit goes back.

use crate::steps::{TO_RUNNING, boot_id, wait_registered, wait_running};
use higuma_proto::api::{Applied, Profile};
use higuma_tests::error::ensure;
use higuma_tests::images::TINY_UP;
use higuma_tests::programs::run;
use higuma_tests::{Context, Lab, LabResult, NodeSpec, Server, ServerSpec, Stock, stock};
use std::path::Path;
use std::process::Command;

fn git(folder: &Path, arguments: &[&str]) -> LabResult {
    let identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"];
    run(Command::new("git").arg("-C").arg(folder).args(identity).args(arguments)).map(drop)
}

fn apply(server: &Server, folder: &Path) -> LabResult<Applied> {
    let out = server.cli(&["apply", "-f", &folder.display().to_string(), "-o", "json"])?;
    serde_json::from_slice(&out.stdout).context("reading what was applied")
}

fn profile(server: &Server, name: &str) -> LabResult<Profile> {
    server.api()?.call("GET", &format!("/api/v1/profiles/{name}"), None::<&()>)
}

#[test]
fn apply_git() -> LabResult {
    let lab = Lab::new("apply-git")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::fill(&server, &[Stock::Tiny])?;
    let folder = lab.dir().join("site");
    server.cli(&["export", &folder.display().to_string()])?;
    git(&folder, &["init", "-q"])?;
    git(&folder, &["add", "-A"])?;
    git(&folder, &["commit", "-qm", "as it was"])?;
    ensure(apply(&server, &folder)?.changes.is_empty(), "what was exported is applied: nothing changes")?;

    let text = |motd: &str| {
        format!(
            "parent: tiny\nparams: {{motd: {motd}}}\nfiles:\n  /etc/motd: {{content: \"{{{{ params.motd }}}} on {{{{ node.hostname }}}}\\n\", template: true}}\n"
        )
    };
    let file = folder.join("profiles/web.yaml");
    std::fs::write(&file, text("one"))?;
    git(&folder, &["add", "-A"])?;
    git(&folder, &["commit", "-qm", "web"])?;
    let diff = server.cli(&["diff", "-f", &folder.display().to_string()])?.stdout;
    let diff = String::from_utf8_lossy(&diff).into_owned();
    ensure(diff.contains("+ profile web, revision 1") && diff.contains("nothing was changed"), diff)?;
    ensure(apply(&server, &folder)?.changes.len() == 1, "one profile is made")?;
    ensure(apply(&server, &folder)?.changes.is_empty(), "the second apply changes nothing")?;
    ensure(profile(&server, "web")?.revision == 1, "and makes no revision")?;

    let node = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    node.power_on()?;
    wait_registered(&lab, &server, &node)?;
    server.api()?.assign(node.uuid(), "web")?;
    node.wait_for(TINY_UP, TO_RUNNING)?;
    let first = wait_running(&lab, &server, &node, TO_RUNNING, None)?;
    ensure(first.summary.drift.as_deref() != Some("changed"), "it runs what is applied")?;

    // What does not fit the node is refused whole.
    std::fs::write(&file, text("two") + "cmdline: x={{ node.nothing }}\n")?;
    std::fs::write(folder.join("profiles/other.yaml"), "parent: tiny\n")?;
    let refused = apply(&server, &folder);
    ensure(refused.is_err(), "a template that does not fit")?;
    ensure(profile(&server, "other").is_err() && profile(&server, "web")?.revision == 1, "nothing is saved")?;

    std::fs::write(&file, text("two"))?;
    git(&folder, &["add", "-A"])?;
    git(&folder, &["commit", "-qm", "two"])?;
    ensure(apply(&server, &folder)?.changes.len() == 2, "web is changed, other is made")?;
    lab.wait_node(&server, &node, "its drift", TO_RUNNING, |detail| {
        detail.summary.drift.as_deref() == Some("changed")
    })?;
    node.power_off();
    node.power_on()?;
    wait_running(&lab, &server, &node, TO_RUNNING, boot_id(&first))?;

    // Back by git; what is not there any more goes by the flag alone.
    git(&folder, &["revert", "--no-edit", "HEAD"])?;
    ensure(apply(&server, &folder)?.changes.len() == 1, "web is as it was")?;
    ensure(profile(&server, "other").is_ok(), "deleted without the flag")?;
    server.cli(&["apply", "-f", &folder.display().to_string(), "--prune"])?;
    ensure(profile(&server, "other").is_err(), "not deleted")?;
    ensure(apply(&server, &folder)?.changes.is_empty(), "and then nothing")?;
    lab.finish()
}
