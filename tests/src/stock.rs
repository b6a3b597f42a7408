//! Images and the first stage for a test's server: made once by the product's own commands, then kept in the cache as
//! blobs and put into the next server through the API. `HIGUMA_FRESH=1` makes everything anew.

use crate::programs::{agent, cache, run};
use crate::{Context, LabError, LabResult, Server, images};
use higuma_proto::api::{FirstStage, Image, ImagePart, NewFirstStage, NewImage, NewProfile, Profile};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What lab nodes get on the kernel command line of the second stage: the serial console.
pub const CONSOLE: &str = "console=ttyS0";
/// Changes when the images must be made anew though their recipe's text is the same.
const ROUND: &str = "2";

/// Something that a test boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    /// Real Debian 12 by `higuma image build debian`.
    Debian,
    /// The same with cloud-init and containerd: the handbook's Kubernetes node, but for kubeadm.
    Cloud,
    /// Busybox from a squashfs.
    Tiny,
    /// `Tiny` with so many MiB that do not compress.
    Large(usize),
    /// A kernel and an initrd that never get anywhere.
    Hang,
    /// `Tiny` as a kernel and an initramfs that is the whole system.
    Whole,
}

impl Stock {
    fn name(self) -> &'static str {
        match self {
            Stock::Debian => "debian",
            Stock::Cloud => "cloud",
            Stock::Tiny => "tiny",
            Stock::Large(_) => "large",
            Stock::Hang => "hang",
            Stock::Whole => "whole",
        }
    }

    /// "name:version", for a profile.
    pub fn reference(self) -> String {
        format!("{}:lab", self.name())
    }

    /// What identifies how it is made.
    fn recipe(self) -> LabResult<String> {
        Ok(match self {
            Stock::Debian => "debian bookworm".to_owned(),
            Stock::Cloud => cloud_recipe()?,
            Stock::Tiny => images::tiny()?.display().to_string(),
            Stock::Large(mib) => images::large(mib)?.display().to_string(),
            Stock::Hang => images::hang()?.kernel.display().to_string(),
            Stock::Whole => images::whole()?.kernel.display().to_string(),
        })
    }

    /// Makes it on a server with the product's command line.
    fn make(self, server: &Server) -> LabResult {
        let text = |path: PathBuf| path.display().to_string();
        let arguments: Vec<String> = match self {
            Stock::Debian => vec!["image".into(), "build".into(), "debian".into()],
            Stock::Cloud => {
                let file = cache().join("kubernetes-lab.toml");
                std::fs::write(&file, cloud_recipe()?)?;
                vec!["image".into(), "build".into(), "recipe".into(), text(file)]
            }
            Stock::Tiny => vec!["image".into(), "import".into(), "--dir".into(), text(images::tiny()?)],
            Stock::Large(mib) => vec!["image".into(), "import".into(), "--dir".into(), text(images::large(mib)?)],
            Stock::Hang | Stock::Whole => {
                let files = if self == Stock::Hang { images::hang()? } else { images::whole()? };
                vec![
                    "image".into(),
                    "import".into(),
                    "--kernel".into(),
                    text(files.kernel),
                    "--initrd".into(),
                    text(files.initrd),
                ]
            }
        };
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--name", self.name(), "--version", "lab"]);
        server.cli(&arguments).map(drop)
    }
}

/// The handbook's recipe, with cloud-init, and a program in place of kubeadm, which Debian does not have: it looks at what kubeadm
/// looks at first, and runs a container out of containerd's own image store.
fn cloud_recipe() -> LabResult<String> {
    let book = include_str!("../../docs/src/examples/kubernetes.toml");
    let (begin, _) = book.split_once("[[scripts]]").context("a script in kubernetes.toml")?;
    let packages = begin.replace("\"containerd\"", "\"containerd\", \"cloud-init\", \"busybox-static\"");
    // The kernel for virtual machines: a third of the bytes.
    Ok(packages + "kernel = \"cloud\"\n" + KUBEADM)
}

const KUBEADM: &str = r#"
[[files]]
path = "/usr/bin/kubeadm"
mode = "0755"
content = '''
#!/bin/sh -eu
grep -q 'kind: JoinConfiguration' "$3"
test "$(stat -c %a:%U "$3")" = 600:root
test "$(cat /proc/sys/net/ipv4/ip_forward)" = 1
test "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)" = 1
test "$(wc -l </proc/swaps)" = 1
ctr -n k8s.io images import /usr/share/lab.tar
ctr -n k8s.io run --rm docker.io/library/lab:1 one /bin/busybox echo CONTAINER:ran
'''

[[scripts]]
content = '''
mkdir -p /tmp/lab/root/bin
cd /tmp/lab
cp /bin/busybox root/bin/
tar -C root -cf layer.tar bin
sum=$(sha256sum layer.tar | cut -d ' ' -f 1)
echo '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:'$sum'"]}}' >config.json
echo '[{"Config":"config.json","RepoTags":["docker.io/library/lab:1"],"Layers":["layer.tar"]}]' >manifest.json
tar -cf /usr/share/lab.tar manifest.json config.json layer.tar
rm -r /tmp/lab
'''
"#;

/// Makes the server ready: the first stage, and one image and profile (of the same name) for each of `wanted`.
pub fn fill(server: &Server, wanted: &[Stock]) -> LabResult {
    first_stage(server)?;
    for stock in wanted {
        image(server, *stock)?;
        profile(
            server,
            &NewProfile {
                name: stock.name().to_owned(),
                image: stock.reference(),
                cmdline: CONSOLE.to_owned(),
                files: Vec::new(),
                ssh_authorized_keys: Vec::new(),
                ..NewProfile::default()
            },
        )?;
    }
    Ok(())
}

/// Makes a profile, or a new revision of it.
pub fn profile(server: &Server, spec: &NewProfile) -> LabResult<Profile> {
    let api = server.api()?;
    if api.profiles()?.iter().any(|profile| profile.spec.name == spec.name) {
        return api.call("PUT", &format!("/api/v1/profiles/{}", spec.name), Some(spec));
    }
    api.call("POST", "/api/v1/profiles", Some(spec))
}

/// Puts the first stage with this build's agent and the lab's drivers into a server.
pub fn first_stage(server: &Server) -> LabResult {
    let agent = std::fs::read(agent()?).context("reading the agent program")?;
    let key = hex::encode(Sha256::digest(&agent));
    let home = home("first-stage", &key);
    let kept: Option<FirstStage> = kept(&home)?;
    if let Some(FirstStage { spec, .. }) = kept {
        // A server that has it already keeps it.
        if server
            .api()?
            .call::<FirstStage>("GET", "/api/v1/first-stage", None::<&()>)
            .is_ok_and(|there| there.spec == spec)
        {
            return Ok(());
        }
        put_blobs(server, &home, &[&spec.kernel, &spec.initramfs])?;
        let _: FirstStage = server.api()?.call::<FirstStage>("PUT", "/api/v1/first-stage", Some(&spec))?;
        return Ok(());
    }
    server.cli(&["first-stage", "build", "--drivers", "lab"])?;
    let made: FirstStage = server.api()?.call("GET", "/api/v1/first-stage", None::<&()>)?;
    let NewFirstStage { kernel, initramfs, .. } = &made.spec;
    keep(server, &home, &made, &[kernel, initramfs])
}

/// Puts an image into a server.
pub fn image(server: &Server, stock: Stock) -> LabResult {
    let path = format!("/api/v1/images/{}/lab", stock.name());
    if server.api()?.send("GET", &path, None::<&()>)?.status == 200 {
        return Ok(());
    }
    let key = hex::encode(Sha256::digest(format!("{ROUND} {}", stock.recipe()?).as_bytes()));
    let home = home(&format!("image-{}", stock.name()), &key);
    let kept: Option<Image> = kept(&home)?;
    let Some(image) = kept else {
        stock.make(server)?;
        let made: Image = server.api()?.call("GET", &path, None::<&()>)?;
        let blobs: Vec<&String> = made.parts.iter().map(|part| &part.sha256).collect();
        return keep(server, &home, &made, &blobs);
    };
    let blobs: Vec<&String> = image.parts.iter().map(|part: &ImagePart| &part.sha256).collect();
    put_blobs(server, &home, &blobs)?;
    let Image { name, version, arch, cmdline, kernel_release, parts, notes, recipe, .. } = image.clone();
    let new = NewImage { name, version, arch, cmdline, kernel_release, parts, notes, recipe, contents: None };
    let there: Image = server.api()?.call("POST", "/api/v1/images", Some(&new))?;
    if there.digest == image.digest {
        return Ok(());
    }
    Err(LabError::new(format!("image {}: digest {} became {}", image.name, image.digest, there.digest)))
}

fn home(name: &str, key: &str) -> PathBuf {
    cache().join("stock").join(format!("{name}-{}", &key[..12]))
}

/// What is described in a kept folder; none when it is not there or must not be used.
fn kept<T: DeserializeOwned>(home: &Path) -> LabResult<Option<T>> {
    if std::env::var_os("HIGUMA_FRESH").is_some_and(|value| value == "1") {
        return Ok(None);
    }
    match std::fs::read_to_string(home.join("description.json")) {
        Ok(text) => serde_json::from_str(&text).context(format!("reading {}", home.display())).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gets blobs from a server, as a node does; the description comes last, so that a folder with one is whole.
fn keep(server: &Server, home: &Path, description: &impl Serialize, blobs: &[&String]) -> LabResult {
    std::fs::create_dir_all(home).context(format!("making {}", home.display()))?;
    for sha256 in blobs {
        let url = format!("http://127.0.0.1:{}/blobs/{sha256}", server.spec().ports.http);
        run(Command::new("curl").args(["-sSf", "--max-time", "120", "-o"]).arg(home.join(sha256)).arg(url))?;
    }
    let text = serde_json::to_string_pretty(description).context("writing JSON")?;
    let making = home.join(format!("description.{}", std::process::id()));
    std::fs::write(&making, text)?;
    Ok(std::fs::rename(making, home.join("description.json"))?)
}

fn put_blobs(server: &Server, home: &Path, blobs: &[&String]) -> LabResult {
    let api = server.api()?;
    for sha256 in blobs {
        api.put_file(&format!("/api/v1/blobs/{sha256}"), &home.join(sha256))?;
    }
    Ok(())
}

/// Where a server keeps a blob, found by its name below `blobs/`; for tests that spoil one.
pub fn blob_file(server: &Server, sha256: &str) -> LabResult<PathBuf> {
    let mut folders = vec![server.data_dir().join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).context(format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy() == sha256) {
                return Ok(path);
            }
        }
    }
    Err(LabError::new(format!("blob {sha256} is not below {}", server.data_dir().join("blobs").display())))
}
