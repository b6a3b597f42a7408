//! Debian's own cloud-init takes what a profile says: host name, files and commands of its user data, rendered for the node. The node is
//! the handbook's Kubernetes node: its profile is booted as it stands there, with a container by containerd.

use crate::steps::{TO_DEBIAN, wait_registered, wait_running};
use higuma_proto::api::NewProfile;
use higuma_tests::error::ensure;
use higuma_tests::stock::{self, CONSOLE};
use higuma_tests::{Lab, LabResult, NodeSpec, ServerSpec, Stock};
use std::time::Duration;

const USER_DATA: &str = "#cloud-config
write_files:
  - path: /etc/den
    owner: daemon:games
    permissions: '0640'
    content: '{{ params.den }} of {{ node.serial }}'
runcmd:
  - [sh, -c, 'echo K8S:$(systemctl is-active kubeadm-join):$(findmnt -no FSTYPE /var/lib/containerd):$(journalctl -u kubeadm-join -o cat | grep CONTAINER): >/dev/console']
  - [sh, -c, 'systemctl --no-pager status kubeadm-join containerd >/dev/console 2>&1']
  - [sh, -c, 'echo CLOUD:$(cloud-id):$(cat /var/lib/cloud/data/instance-id):$(stat -c %U:%G:%a /etc/den):$(cat /etc/den): >/dev/console']
";

#[test]
fn cloud_init() -> LabResult {
    let lab = Lab::new("cloud-init")?;
    let server = lab.server(ServerSpec::new(&[])?)?;
    stock::first_stage(&server)?;
    stock::image(&server, Stock::Cloud)?;
    let file = lab.dir().join("kubernetes.yaml");
    let book = include_str!("../../docs/src/examples/kubernetes.yaml").replace("k8s:stable", &Stock::Cloud.reference());
    std::fs::write(&file, book)?;
    let join = lab.dir().join("join.yaml");
    std::fs::write(&join, "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n")?;
    server.cli(&["secret", "set", "k8s-join", "-f", &join.display().to_string()])?;
    server.cli(&["profile", "set", "k8s", "-f", &file.display().to_string()])?;
    let words = serde_json::json!({
        "parent": "k8s",
        "cmdline": CONSOLE,
        "params": {"den": "deep"},
        "cloud_init": {"user_data": USER_DATA, "template": true},
    });
    let words = words.as_object().cloned();
    stock::profile(&server, &NewProfile { name: "cloud".to_owned(), words, ..NewProfile::default() })?;
    let node = lab.node(NodeSpec { memory_mib: 3072, ..NodeSpec::new("n1", &server.bootfile()) })?;
    node.power_on()?;
    let serial = wait_registered(&lab, &server, &node)?.summary.serial;
    ensure(!serial.is_empty(), "the node has no serial number")?;
    server.api()?.assign(node.uuid(), "cloud")?;
    wait_running(&lab, &server, &node, TO_DEBIAN, None)?;
    let uuid = node.uuid();
    let told = format!("CLOUD:nocloud:{uuid}:daemon:games:640:deep of {serial}:");
    node.wait_for("K8S:active:tmpfs:CONTAINER:ran:", Duration::from_secs(300))?;
    node.wait_for(&told, Duration::from_secs(300))?;
    lab.finish()
}
