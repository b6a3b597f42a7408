//! NUMA nodes from /sys/devices/system/node: which processors and how much memory are near to each other.

use std::path::Path;

use higuma_proto::agent::NumaNode;

use super::Errors;
use super::read::{names, optional, text};

const FOLDER: &str = "sys/devices/system/node";

/// All nodes, by number.
pub fn collect(root: &Path, errors: &mut Errors) -> Vec<NumaNode> {
    let mut nodes = Vec::new();
    for name in names(root, FOLDER, "numa", errors) {
        let Some(id) = name.strip_prefix("node").and_then(|id| id.parse::<u32>().ok()) else { continue };
        let source = format!("{FOLDER}/{name}/meminfo");
        let memory = match text(&root.join(&source)) {
            Ok(text) => memory(&text, id),
            Err(e) => {
                errors.add("numa", &source, e);
                0
            }
        };
        let cpus = optional(&root.join(FOLDER).join(&name).join("cpulist")).unwrap_or_default();
        nodes.push(NumaNode { id, cpus, memory_bytes: super::whole_steps(memory) });
    }
    nodes.sort_by_key(|node| node.id);
    nodes
}

/// `Node 0 MemTotal:       16309124 kB`, in bytes.
fn memory(text: &str, id: u32) -> u64 {
    let prefix = format!("Node {id} MemTotal:");
    let value = text.lines().find_map(|line| line.trim().strip_prefix(&prefix));
    let kib = value.and_then(|v| v.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1_024)
}
