//! What the lab's boot tests ask of a node's stored state, in the words of the product.

use higuma_proto::api::NodeDetail;
use higuma_tests::{Lab, LabResult, Node, Server};
use std::time::Duration;

/// Power-on to Register.
pub const TO_REGISTER: Duration = Duration::from_secs(180);
/// Power-on (or assignment) to ReportUp of a small image.
pub const TO_RUNNING: Duration = Duration::from_secs(300);
/// The same for real Debian.
pub const TO_DEBIAN: Duration = Duration::from_secs(600);

/// Waits until the node is known and waits for a person.
pub fn wait_registered(lab: &Lab, server: &Server, node: &Node) -> LabResult<NodeDetail> {
    lab.wait_node(server, node, "the node to register", TO_REGISTER, |detail| detail.boot.is_some())
}

/// Waits until the node runs; with `not` given, in another boot than that.
pub fn wait_running(
    lab: &Lab,
    server: &Server,
    node: &Node,
    timeout: Duration,
    not: Option<&str>,
) -> LabResult<NodeDetail> {
    lab.wait_node(server, node, "the node to run", timeout, |detail| {
        detail.summary.lifecycle == "running" && boot_id(detail) != not && boot_id(detail).is_some()
    })
}

/// The id of the node's present boot.
pub fn boot_id(detail: &NodeDetail) -> Option<&str> {
    detail.boot.as_ref().map(|boot| boot.summary.id.as_str())
}
