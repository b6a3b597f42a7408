//! A recipe's own files and scripts, put into the tree and run in it. Programs of the tree do both, below its root, so that no link in it leads
//! to this machine's files by accident; a script is root all the same, so a recipe is trusted like any command that root runs.

use super::identity::{plain, remove};
use super::recipe::Recipe;
use crate::cli::error::{Failure, Result};
use crate::cli::process;
use crate::cli::progress::Progress;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// In the tree, while it is made.
const STAGE: &str = ".higuma-build";
const INSTALL_DEADLINE: Duration = Duration::from_secs(60);
/// Says to packages that a script installs: start no service (invoke-rc.d(8)).
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// First all files, then all scripts, in their order.
pub fn run(recipe: &Recipe, root: &Path, progress: &Progress) -> Result<()> {
    if recipe.files.is_empty() && recipe.scripts.is_empty() {
        return Ok(());
    }
    let stage = root.join(STAGE);
    std::fs::DirBuilder::new().mode(0o700).create(&stage).map_err(Failure::io("make the folder", &stage))?;
    for (n, file) in recipe.files.iter().enumerate() {
        let name = format!("file-{n}");
        put(&stage.join(&name), &file.bytes, 0o600)?;
        let mut command = Command::new("chroot");
        command.arg(root).args(["install", "-D", "-T", "-m", &file.mode, "-o", &file.owner, "-g", &file.group, "--"]);
        command.arg(format!("/{STAGE}/{name}")).arg(&file.path);
        process::run(command, "coreutils", INSTALL_DEADLINE, |_| {})
            .map_err(|e| Failure { message: format!("the file {}: {}", file.path, e.message), ..e })?;
    }
    if !recipe.scripts.is_empty() {
        scripts(recipe, root, &stage, progress)?;
    }
    std::fs::remove_dir_all(&stage).map_err(Failure::io("remove", &stage))
}

fn scripts(recipe: &Recipe, root: &Path, stage: &Path, progress: &Progress) -> Result<()> {
    let policy = plain(root, "usr/sbin/policy-rc.d").filter(|path| std::fs::symlink_metadata(path).is_err());
    if let Some(policy) = &policy {
        put(policy, POLICY.as_bytes(), 0o755)?;
    }
    // Names resolve as they do here; afterwards it is taken out again.
    let own = recipe.files.iter().any(|f| f.path == "/etc/resolv.conf");
    if let (Some(resolv), Ok(text)) =
        (plain(root, "etc/resolv.conf").filter(|_| !own), std::fs::read("/etc/resolv.conf"))
    {
        remove(&resolv)?;
        put(&resolv, &text, 0o644)?;
    }
    let count = recipe.scripts.len();
    for (n, script) in recipe.scripts.iter().enumerate() {
        progress.line(&format!("running script {} of {count}", n + 1));
        let name = format!("script-{n}");
        put(&stage.join(&name), &script.bytes, 0o700)?;
        let own_program = script.bytes.starts_with(b"#!");
        process::run(
            in_tree(root, &format!("/{STAGE}/{name}"), own_program, recipe.epoch()),
            "util-linux",
            Duration::from_secs(script.deadline_seconds),
            |line| progress.line(&format!("  {}", line.escape_debug())),
        )
        .map_err(|e| Failure { message: format!("script {}: {}", n + 1, e.message), ..e })?;
    }
    policy.map_or(Ok(()), |policy| remove(&policy))
}

/// In mounts, processes and a host name of its own: what it mounts and leaves running ends with it.
fn in_tree(root: &Path, script: &str, own_program: bool, epoch: Option<i64>) -> Command {
    let mut command = Command::new("unshare");
    let mut proc = std::ffi::OsString::from("--mount-proc=");
    proc.push(root.join("proc"));
    command.args(["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]).arg(proc).arg("chroot").arg(root);
    if !own_program {
        command.args(["/bin/sh", "-e"]);
    }
    command.arg(script).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", "/root").env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive").env("INITRD", "No");
    command.envs(epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch.to_string())));
    for proxy in ["http_proxy", "https_proxy", "no_proxy"] {
        command.envs(std::env::var_os(proxy).map(|value| (proxy, value)));
    }
    command
}

/// A new file; never through a link.
fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::io::Write;
    let broken = |e| Failure::io("write", path)(e);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(broken)?;
    file.set_permissions(PermissionsExt::from_mode(mode)).map_err(broken)?;
    file.write_all(bytes).map_err(broken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_runs_below_the_root_with_nothing_of_ours() {
        let text = |own| format!("{:?}", in_tree(Path::new("/r t"), "/s", own, Some(5)));
        let shell = text(false);
        assert!(shell.starts_with("env -i ") && shell.contains("SOURCE_DATE_EPOCH=\"5\""), "{shell}");
        let end = r#""unshare" "--mount" "--pid" "--uts" "--ipc" "--fork" "--kill-child" "--mount-proc=/r t/proc" "chroot" "/r t" "/bin/sh" "-e" "/s""#;
        assert!(shell.ends_with(end), "{shell}");
        assert!(text(true).ends_with(r#""chroot" "/r t" "/s""#));
    }
}
