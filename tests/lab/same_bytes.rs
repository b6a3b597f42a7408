//! The same recipe gives the same bytes: Debian is built twice, with a file and a script of the recipe's own, and every part of
//! both has the same SHA-256. No server is there: the parts are written into folders.

use higuma_proto::api::NewImage;
use higuma_tests::programs::{bound, higuma, run};
use higuma_tests::{Context, Lab, LabError, LabResult};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// As small as a Debian with a kernel can be. The time of the snapshot, with a mirror: packages are those of today, and no file is
/// newer than this. useradd(8) writes a date into /etc/shadow, and former versions of its files.
const RECIPE: &str = r#"
name = "same"
suite = "bookworm"
snapshot = "20260101T000000Z"
mirror = "MIRROR"
exclude = ["systemd-resolved", "systemd-timesyncd", "dbus", "iproute2", "openssh-server", "ca-certificates"]
kernel = "cloud"

[[files]]
path = "/etc/motd"
content = "the same\n"

[[scripts]]
content = "useradd --create-home bear"
"#;

/// Debian's archive as this machine's apt has it.
fn mirror() -> LabResult<String> {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(CREATED_BY) $(CODENAME) $(COMPONENT) $(REPO_URI)"]);
    let targets = String::from_utf8_lossy(&run(&mut apt)?.stdout).into_owned();
    let uri = targets.lines().find_map(|line| line.strip_prefix("Packages bookworm main "));
    Ok(uri.context("apt of this machine has no bookworm: run `apt-get update`")?.trim_end_matches('/').to_owned())
}

fn build(recipe: &Path, out: &Path) -> LabResult<NewImage> {
    let start = Instant::now();
    let mut command = bound(higuma()?);
    command.args(["image", "build", "recipe"]).arg(recipe).args(["--version", "1", "--output"]).arg(out);
    run(&mut command)?;
    println!("same_bytes: built in {:.0} s", start.elapsed().as_secs_f32());
    let text = std::fs::read_to_string(out.join("image.json"))?;
    serde_json::from_str(&text).context("reading image.json")
}

/// What the listings of both tell; of times they tell nothing.
fn difference(one: &Path, two: &Path) -> LabResult<String> {
    let mut diff = Command::new("bash");
    diff.args(["-c", r#"diff <(zstd -dc "$0/contents.zst") <(zstd -dc "$1/contents.zst") | head -n 20"#]);
    Ok(String::from_utf8_lossy(&run(diff.arg(one).arg(two))?.stdout).into_owned())
}

#[test]
fn same_bytes() -> LabResult {
    let lab = Lab::new("same-bytes")?;
    let recipe = lab.dir().join("same.toml");
    std::fs::write(&recipe, RECIPE.replace("MIRROR", &mirror()?))?;
    let (one, two) = (lab.dir().join("one"), lab.dir().join("two"));
    let (first, second) = (build(&recipe, &one)?, build(&recipe, &two)?);
    let roles: Vec<&str> = first.parts.iter().map(|part| part.role.as_str()).collect();
    if roles != ["kernel", "modules", "rootfs"] || first != second {
        let files = difference(&one, &two)?;
        return Err(LabError::new(format!("{:?}\nand {:?}\n{files}", first.parts, second.parts)));
    }
    lab.finish()
}
