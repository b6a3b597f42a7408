//! The boot plan: everything that decides what a node boots, put together from node, profile and image, with a
//! content hash from which drift is told. URLs, deadlines and credentials are not part of the hash: they change from
//! boot to boot without changing what is booted.

use super::cmdline::Cmdline;
use super::ids::{Hostname, Name, NodeUuid, Sha256};
use super::image::{Arch, Image, ImageRef, Part};
use super::node::Node;
use super::profile::user::hash_told;
use super::profile::{File, Mode, Param, PasswordHash, Profile, Setup, Unit, User};
use super::sealed::Marks;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a node boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Content hash.
    pub hash: Sha256,
    /// By which profile.
    pub profile: Name,
    /// And revision.
    pub revision: u32,
    /// How it boots.
    pub mode: Mode,
    /// Which image; none where the profile names none.
    pub image: Option<ImageRef>,
    /// For which machines that is; the image's parts are of it, so the hash needs no word of it.
    pub arch: Option<Arch>,
    /// Its blobs.
    pub parts: Vec<Part>,
    /// Image's command line, then the profile's; none in the mode ipxe, whose script says all.
    pub cmdline: Cmdline,
    /// The node's own.
    pub hostname: Hostname,
    /// machine-id(5): 32 hexadecimal digits, the same for the same node for ever.
    pub machine_id: String,
    /// Files.
    pub files: Vec<File>,
    /// Of root.
    pub ssh_authorized_keys: Vec<String>,
    /// Kernel modules to load.
    pub modules: Vec<String>,
    /// sysctl(8).
    pub sysctl: BTreeMap<String, String>,
    /// systemd units.
    pub units: BTreeMap<String, Unit>,
    /// Users.
    pub users: BTreeMap<String, User>,
    /// What is said of the secrets that files and passwords are of, instead of their values.
    pub secrets: Marks,
    /// Percent of RAM for the writable overlay.
    pub overlay_percent: u32,
    /// Of the mode ipxe.
    pub script: String,
    /// Of the mode installer.
    pub answer: String,
    /// The network that its files set up; none: the system's own, and DHCP on every NIC.
    pub network: Option<Setup>,
    /// What its templates were rendered with, to tell why a text differs. Not hashed: what they make is in the texts.
    pub params: BTreeMap<String, Param>,
}

/// Percent of RAM that the writable overlay may take.
pub const OVERLAY_PERCENT: u32 = 50;

/// Put a plan together. What does not reach a node in the profile's mode is not in it. `secrets`: of all that the profile
/// names; their values are in no plan.
pub fn plan(node: &Node, profile: &Profile, image: Option<&Image>, secrets: &Marks) -> Plan {
    let spec = &profile.spec;
    let mode = spec.mode_with(image);
    let image = image.filter(|image| match mode {
        Mode::LocalDisk => false,
        // One that the script does not load, as an heir has that of its parent, reaches no node.
        Mode::Ipxe => image.parts.iter().any(|part| spec.script.contains(part.sha256.as_str())),
        Mode::Diskless | Mode::Initramfs | Mode::Installer => true,
    });
    let booted = image.filter(|_| mode.needs_image());
    let mut plan = Plan {
        hash: Sha256::of(""),
        profile: profile.name.clone(),
        revision: profile.revision,
        mode,
        image: image.map(|image| image.reference.clone()),
        arch: image.map(|image| image.arch),
        parts: image.map(|image| image.parts.clone()).unwrap_or_default(),
        cmdline: booted.map(|image| image.cmdline.join(&spec.cmdline)).unwrap_or_default(),
        hostname: node.hostname.clone(),
        machine_id: machine_id(&node.uuid),
        files: vec![],
        ssh_authorized_keys: vec![],
        modules: vec![],
        sysctl: BTreeMap::new(),
        units: BTreeMap::new(),
        users: BTreeMap::new(),
        secrets: Marks::new(),
        overlay_percent: OVERLAY_PERCENT,
        script: spec.script.clone(),
        answer: spec.answer.clone(),
        network: None,
        params: BTreeMap::new(),
    };
    if matches!(mode, Mode::Diskless | Mode::Initramfs) {
        plan.files.clone_from(&spec.files);
        plan.files.extend(spec.cloud_init.files(&node.uuid, &node.hostname));
        plan.files.extend(spec.setup.iter().flat_map(Setup::files));
        plan.network.clone_from(&spec.setup);
        plan.ssh_authorized_keys.clone_from(&spec.ssh_authorized_keys);
        plan.modules.clone_from(&spec.modules);
        plan.sysctl.clone_from(&spec.sysctl);
        plan.units.clone_from(&spec.units);
        plan.users.clone_from(&spec.users);
        let named = |(name, _)| Some((Clone::clone(name), secrets.get(name)?.clone()));
        plan.secrets = spec.secrets().filter_map(named).collect();
    }
    plan.hash = Sha256::of(plan.content());
    plan
}

/// machine-id derived from the node, never from the image. Version and variant bits as systemd sets them.
pub fn machine_id(uuid: &NodeUuid) -> String {
    let digest = Sha256::of(format!("higuma machine-id {uuid}"));
    let mut id: Vec<u8> = digest.as_str().bytes().take(32).collect();
    id[12] = b'4';
    id[16] = b'8';
    String::from_utf8_lossy(&id).into_owned()
}

/// All that reaches the node, in an order that never changes: what the hash is over, and what differences are told from.
#[derive(Serialize)]
struct Content<'a> {
    version: u32,
    parts: BTreeMap<&'static str, &'a str>,
    cmdline: &'a str,
    hostname: &'a str,
    machine_id: &'a str,
    files: BTreeMap<&'a str, FileContent<'a>>,
    ssh_authorized_keys: &'a [String],
    overlay_percent: u32,
    // What came with a later release is there only where it says something: an upgrade of Higuma is no drift.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    modules: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctl: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    units: BTreeMap<&'a str, UnitContent<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    users: BTreeMap<&'a str, UserContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    script: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    answer: &'a str,
    /// Of what is kept only, never of what is hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a BTreeMap<String, Param>>,
}

#[derive(Serialize)]
struct FileContent<'a> {
    mode: u32,
    content: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    owner: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    /// Its name and fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Serialize)]
struct UnitContent<'a> {
    content: &'a str,
    enabled: bool,
    masked: bool,
}

#[derive(Serialize)]
struct UserContent<'a> {
    uid: u32,
    groups: &'a [String],
    shell: &'a str,
    home: &'a str,
    comment: &'a str,
    ssh_authorized_keys: &'a [String],
    /// Tells one from another: a hash is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    sudo: bool,
}

impl<'a> FileContent<'a> {
    fn of(f: &'a File, secrets: &Marks) -> Self {
        let secret = f.secret.as_ref().map(|name| told(name, secrets));
        Self { mode: f.mode, content: &f.content, owner: &f.owner, group: &f.group, secret }
    }
}

impl<'a> UserContent<'a> {
    fn of(user: &'a User, secrets: &Marks) -> Self {
        Self {
            uid: user.uid.unwrap_or_default(),
            groups: &user.groups,
            shell: &user.shell,
            home: &user.home,
            comment: &user.comment,
            ssh_authorized_keys: &user.ssh_authorized_keys,
            password_hash: user.password_hash.as_ref().map(|hash| match hash {
                PasswordHash::Here(hash) => hash_told(hash),
                PasswordHash::Sealed { secret } => told(secret, secrets),
            }),
            sudo: user.sudo.is_some(),
        }
    }
}

fn told(name: &Name, secrets: &Marks) -> String {
    secrets.get(name).map_or_else(|| name.to_string(), |mark| mark.told(name))
}

impl<'a> UnitContent<'a> {
    fn of(unit: &'a Unit) -> Self {
        Self { content: &unit.content, enabled: unit.enabled, masked: unit.masked }
    }
}

impl Plan {
    /// As JSON; its SHA-256 is the plan's hash.
    pub fn content(&self) -> String {
        self.written(None)
    }

    /// As [`content`](Self::content), with `params` beside it: what differences are told from.
    pub fn kept(&self) -> String {
        self.written(Some(&self.params))
    }

    fn written(&self, params: Option<&BTreeMap<String, Param>>) -> String {
        let content = Content {
            version: 2,
            parts: self.parts.iter().map(|p| (p.role.as_str(), p.sha256.as_str())).collect(),
            cmdline: self.cmdline.as_str(),
            hostname: self.hostname.as_str(),
            machine_id: &self.machine_id,
            files: self.files.iter().map(|f| (f.path.as_str(), FileContent::of(f, &self.secrets))).collect(),
            ssh_authorized_keys: &self.ssh_authorized_keys,
            overlay_percent: self.overlay_percent,
            modules: &self.modules,
            sysctl: &self.sysctl,
            units: self.units.iter().map(|(name, unit)| (name.as_str(), UnitContent::of(unit))).collect(),
            users: self.users.iter().map(|(name, u)| (name.as_str(), UserContent::of(u, &self.secrets))).collect(),
            // These two are told by the parts.
            mode: Some(self.mode).filter(|m| !matches!(m, Mode::Diskless | Mode::Initramfs)).map(Mode::as_str),
            script: &self.script,
            answer: &self.answer,
            params,
        };
        // Maps with text keys and plain values: it is always written.
        serde_json::to_string(&content).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::image::Role;
    use crate::domain::node::Admission;
    use crate::domain::profile::Spec;
    use crate::domain::sealed::Mark;

    fn none() -> Marks {
        Marks::new()
    }

    fn fixture() -> (Node, Profile, Image) {
        let node = Node::new("4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(), Admission::Admitted, 0);
        let image = Image {
            reference: "debian:12".parse().unwrap(),
            arch: Arch::X86_64,
            cmdline: "quiet".parse().unwrap(),
            kernel_release: "6.1".into(),
            parts: vec![Part { role: Role::Kernel, sha256: Sha256::of("k"), size: 1 }],
            created: 0,
            kept: Default::default(),
        };
        let spec =
            Spec { image: Some(image.reference.clone()), cmdline: "console=ttyS0".parse().unwrap(), ..Spec::default() };
        let (name, words) = ("hv".parse().unwrap(), Default::default());
        (node, Profile { name, revision: 1, parent: None, words, spec, created: 0, made_by: String::new() }, image)
    }

    #[test]
    fn the_same_inputs_give_the_same_hash_and_each_difference_another() {
        let (node, profile, image) = fixture();
        let base = plan(&node, &profile, Some(&image), &none());
        assert_eq!(base, plan(&node, &profile, Some(&image), &none()));
        assert_eq!(base.cmdline.as_str(), "quiet console=ttyS0");
        let renamed = Node { hostname: "hv-1".parse().unwrap(), ..node.clone() };
        let other_cmdline =
            Profile { spec: Spec { cmdline: Cmdline::default(), ..profile.spec.clone() }, ..profile.clone() };
        let other_blob =
            Image { parts: vec![Part { role: Role::Kernel, sha256: Sha256::of("k2"), size: 1 }], ..image.clone() };
        let next_revision = Profile { revision: 2, ..profile.clone() };
        assert_ne!(base.hash, plan(&renamed, &profile, Some(&image), &none()).hash);
        assert_ne!(base.hash, plan(&node, &other_cmdline, Some(&image), &none()).hash);
        assert_ne!(base.hash, plan(&node, &profile, Some(&other_blob), &none()).hash);
        let files = vec![File { path: "/a".into(), mode: 0o644, owner: "www".into(), ..File::default() }];
        let unit = Unit { enabled: true, ..Unit::default() };
        let mut seen = vec![base.hash.clone()];
        for spec in [
            Spec {
                files: files.iter().map(|f| File { owner: String::new(), ..f.clone() }).collect(),
                ..profile.spec.clone()
            },
            Spec { files, ..profile.spec.clone() },
            Spec { modules: vec!["kvm".into()], ..profile.spec.clone() },
            Spec { sysctl: [("a.b".to_owned(), "1".to_owned())].into(), ..profile.spec.clone() },
            Spec { units: [("a.service".to_owned(), unit)].into(), ..profile.spec.clone() },
        ] {
            let hash = plan(&node, &Profile { spec, ..profile.clone() }, Some(&image), &none()).hash;
            assert!(!seen.contains(&hash));
            seen.push(hash);
        }
        // The form that the hash is over: what came later is not in it unless it says something, so an upgrade is no drift.
        let expected = format!(
            "{{\"version\":2,\"parts\":{{\"kernel\":\"{}\"}},\"cmdline\":\"quiet console=ttyS0\",\"hostname\":\"{}\",\
             \"machine_id\":\"{}\",\"files\":{{}},\"ssh_authorized_keys\":[],\"overlay_percent\":50}}",
            Sha256::of("k"),
            node.hostname,
            base.machine_id
        );
        assert_eq!(base.content(), expected);
        // A new revision that says the same boots the same: no drift.
        assert_eq!(base.hash, plan(&node, &next_revision, Some(&image), &none()).hash);
    }

    #[test]
    fn what_does_not_reach_a_node_in_its_mode_is_no_part_of_its_plan() {
        let (node, profile, image) = fixture();
        let of = |spec: Spec, image| plan(&node, &Profile { spec, ..profile.clone() }, image, &none());
        let files = vec![File { path: "/a".into(), ..File::default() }];
        let disk = Spec { mode: Some(Mode::LocalDisk), ..Spec::default() };
        let base = of(disk.clone(), None);
        assert_eq!((base.mode, &base.image, base.parts.len()), (Mode::LocalDisk, &None, 0));
        assert_eq!(base.hash, of(Spec { files: files.clone(), ..disk }, None).hash);
        let script = Spec { mode: Some(Mode::Ipxe), script: "#!ipxe\n".into(), ..Spec::default() };
        let ipxe = of(script.clone(), None);
        assert_ne!(ipxe.hash, of(Spec { script: "#!ipxe\nexit\n".into(), ..script.clone() }, None).hash);
        // What a script boots of an image is part of it; the command line is the script's to say. Another image is not.
        assert_eq!(of(script.clone(), Some(&image)).hash, ipxe.hash);
        let load = |image: &Image| {
            let script_of = format!("#!ipxe\nkernel /blobs/{}\n", image.parts[0].sha256);
            Spec { script: script_of, ..script.clone() }
        };
        let booted = of(load(&image), Some(&image));
        assert_eq!((booted.parts.len(), booted.cmdline.as_str(), booted.arch), (1, "", Some(Arch::X86_64)));
        let parts = vec![Part { role: Role::Kernel, sha256: Sha256::of("k2"), size: 1 }];
        let other = Image { parts, ..image.clone() };
        let next = of(load(&other), Some(&other));
        assert!(booted.hash != ipxe.hash && booted.hash != next.hash);
        let installer = Spec { mode: Some(Mode::Installer), answer: "a".into(), ..profile.spec.clone() };
        let install = of(installer.clone(), Some(&image));
        assert_eq!((install.parts.len(), install.cmdline.as_str()), (1, "quiet console=ttyS0"));
        assert_eq!(install.hash, of(Spec { files, ..installer.clone() }, Some(&image)).hash);
        assert_ne!(install.hash, of(Spec { answer: "b".into(), ..installer }, Some(&image)).hash);
        let all = [&base.hash, &ipxe.hash, &install.hash, &of(profile.spec.clone(), Some(&image)).hash];
        assert_eq!(all.into_iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn a_secret_is_in_a_plan_by_its_name_and_fingerprint_alone() {
        let (node, profile, image) = fixture();
        let name: Name = "web-key".parse().unwrap();
        let marks = |revision, fingerprint: &str| {
            let mark = Mark { revision, fingerprint: fingerprint.into(), is_hash: true };
            Marks::from([(name.clone(), mark.clone()), ("other".parse().unwrap(), mark)])
        };
        let hash = format!("$6$saltsalt${}", "a".repeat(86));
        let user = |password_hash| User { uid: Some(1_000), password_hash: Some(password_hash), ..User::default() };
        let file = File { path: "/key".into(), mode: 0o600, secret: Some(name.clone()), ..File::default() };
        let spec = Spec {
            files: vec![file],
            users: [
                ("ann".to_owned(), user(PasswordHash::Here(hash.clone()))),
                ("bo".to_owned(), user(PasswordHash::Sealed { secret: name.clone() })),
            ]
            .into(),
            ..profile.spec.clone()
        };
        let of = |spec: &Spec, marks: &Marks| {
            plan(&node, &Profile { spec: spec.clone(), ..profile.clone() }, Some(&image), marks)
        };
        let base = of(&spec, &marks(1, "f1"));
        assert_eq!(base.secrets.len(), 1, "of those alone that it needs");
        let content: serde_json::Value = serde_json::from_str(&base.content()).unwrap();
        assert_eq!(content["files"]["/key"]["secret"], "web-key (fingerprint f1)");
        assert_eq!(content["users"]["bo"]["password_hash"], "web-key (fingerprint f1)");
        assert!(!base.content().contains(&hash[..20]) && !format!("{base:?}").contains(&hash[..20]));
        // The same value set again after another one is no drift; another value is.
        assert_eq!(base.hash, of(&spec, &marks(3, "f1")).hash);
        assert_ne!(base.hash, of(&spec, &marks(2, "f2")).hash);
        let mut other = spec.clone();
        other.users.insert("ann".to_owned(), user(PasswordHash::Here(hash.replace("salt", "pepper"))));
        assert_ne!(base.hash, of(&other, &marks(1, "f1")).hash);
    }

    #[test]
    fn parameters_are_kept_beside_what_is_hashed() {
        let (node, profile, image) = fixture();
        let base = plan(&node, &profile, Some(&image), &none());
        let other = Plan { params: [("ntp".to_owned(), Param::Text("a".into()))].into(), ..base.clone() };
        assert_eq!((Sha256::of(other.content()), other.content()), (base.hash.clone(), base.content()));
        let kept: serde_json::Value = serde_json::from_str(&other.kept()).unwrap();
        assert_eq!((&kept["params"]["ntp"], &kept["cmdline"]), (&"a".into(), &"quiet console=ttyS0".into()));
        assert!(base.kept().ends_with(r#""params":{}}"#), "a release that keeps them, and there are none");
    }

    #[test]
    fn machine_ids_are_of_the_node() {
        let id = machine_id(&fixture().0.uuid);
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
