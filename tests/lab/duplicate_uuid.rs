//! The same UUID on two machines that are on at once: the first runs its profile, the second is a node of its own that gets
//! nothing but "wait", both show what differs, and the second is the same node at its next boot.

use crate::steps::{TO_REGISTER, boot_id, wait_registered, wait_running};
use higuma_proto::api::{NodeDetail, NodeSummary};
use higuma_tests::error::ensure;
use higuma_tests::{Context, Lab, LabResult, Node, NodeSpec, Server, ServerSpec, Stock, stock, wait};

#[test]
fn duplicate_uuid() -> LabResult {
    let lab = Lab::new("duplicate-uuid")?;
    // Even where everything else is let in.
    let server = lab.server(ServerSpec::new(&[("admission", "auto")])?)?;
    stock::fill(&server, &[Stock::Tiny])?;
    let first = lab.node(NodeSpec::new("n1", &server.bootfile()))?;
    let uuid = first.uuid().to_owned();
    let second = lab.node(NodeSpec { uuid: uuid.clone(), ..NodeSpec::new("n2", &server.bootfile()) })?;
    first.power_on()?;
    wait_registered(&lab, &server, &first)?;
    server.api()?.assign(&uuid, "tiny")?;
    second.power_on()?;
    wait_running(&lab, &server, &first, crate::steps::TO_RUNNING, None)?;

    let other = wait_other(&server, &uuid, &second, None)?;
    ensure(other.summary.admission == "pending", format!("admission {}", other.summary.admission))?;
    ensure(other.summary.profile.is_none(), "it has a profile")?;
    second.wait_for("the node waits for approval", TO_REGISTER)?;
    let (mine, theirs) = (serial(&first)?, serial(&second)?);
    let shown = server.api()?.node(&uuid)?.context("the first node is gone")?;
    for (node, differs) in
        [(&shown, format!("serial {mine} / {theirs}")), (&other, format!("serial {theirs} / {mine}"))]
    {
        let said = node.summary.conflict.clone().unwrap_or_default();
        ensure(said.contains(&differs), format!("{differs} is not in {said:?}"))?;
        ensure(said.contains(&second.spec().nics[0].mac), format!("no MAC address in {said:?}"))?;
        ensure(node.identity.conflicts.len() == 1, format!("{:?}", node.identity))?;
    }
    ensure(shown.summary.lifecycle == "running", format!("the first is {}", shown.summary.lifecycle))?;

    second.reset()?;
    let again = wait_other(&server, &uuid, &second, boot_id(&other))?;
    ensure(again.summary.uuid == other.summary.uuid, format!("{}, then {}", other.summary.uuid, again.summary.uuid))?;
    ensure(server.api()?.nodes()?.len() == 2, "there are more than two nodes")?;
    let shown = server.api()?.node(&uuid)?.context("the first node is gone")?;
    ensure(shown.summary.lifecycle == "running", format!("the first is {}", shown.summary.lifecycle))?;
    lab.finish()
}

/// Waits until the node that is not `uuid` has registered, in another boot than `not`.
fn wait_other(server: &Server, uuid: &str, machine: &Node, not: Option<&str>) -> LabResult<NodeDetail> {
    wait::until("the second machine to register", TO_REGISTER, || {
        let others: Vec<NodeSummary> = server.api()?.nodes()?.into_iter().filter(|n| n.uuid != uuid).collect();
        let Some(other) = others.first() else { return Ok(None) };
        let detail = server.api()?.node(&other.uuid)?;
        Ok(detail.filter(|detail| boot_id(detail).is_some() && boot_id(detail) != not))
    })
    .map_err(|error| format!("{error}\n{}\n{}", machine.explain(), server.explain()).into())
}

/// The serial number that the machine was given.
fn serial(node: &Node) -> LabResult<String> {
    let all = node.spec().smbios.iter().filter(|value| value.starts_with("type=1,"));
    let serial = all.flat_map(|value| value.split(',')).find_map(|part| part.strip_prefix("serial="));
    serial.map(str::to_owned).context("the machine has no serial number")
}
