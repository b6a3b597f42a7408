//! One test's place: a folder for everything that it makes, removed when the test passes and kept, with its path
//! printed, when it does not.

use crate::api::describe;
use crate::{Context, LabError, LabResult, Node, NodeSpec, Server, ServerSpec, wait};
use higuma_proto::api::NodeDetail;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder, and short ways to make servers and nodes in it. Call [`Lab::finish`] at the end of a test.
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    finished: bool,
}

impl Lab {
    /// A new folder under the system's temporary one. Its path is short: UNIX sockets have at most 107 bytes.
    pub fn new(name: &str) -> LabResult<Lab> {
        let dir =
            tempfile::Builder::new().prefix(&format!("higuma-{name}-")).tempdir().context("making a folder")?.keep();
        Ok(Lab { dir, finished: false })
    }

    /// Where everything is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A virtual server, powered off.
    pub fn node(&self, spec: NodeSpec) -> LabResult<Node> {
        Node::create(&self.dir, spec)
    }

    /// `higuma serve`, answering.
    pub fn server(&self, spec: ServerSpec) -> LabResult<Server> {
        Server::start(&self.dir, spec)
    }

    /// Polls what the server stores about a node until `good`. When it does not come, the error holds the node's state
    /// and events, the end of its console, and the end of the server's log.
    pub fn wait_node(
        &self,
        server: &Server,
        node: &Node,
        what: &str,
        timeout: Duration,
        good: impl Fn(&NodeDetail) -> bool,
    ) -> LabResult<NodeDetail> {
        let uuid = node.uuid();
        let mut last = None;
        let result = wait::until(what, timeout, || {
            last = server.api()?.node(uuid)?;
            Ok(last.clone().filter(|detail| good(detail)))
        });
        result.map_err(|error| {
            let stored = last.as_ref().map_or("the server does not know the node".to_owned(), describe);
            LabError::new(format!(
                "{error}\n--- stored state of {uuid}\n{stored}\n{}\n{}",
                node.explain(),
                server.explain()
            ))
        })
    }

    /// The test passed: remove the folder.
    pub fn finish(mut self) -> LabResult {
        self.finished = true;
        std::fs::remove_dir_all(&self.dir).context(format!("removing {}", self.dir.display()))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.finished {
            eprintln!("lab: the test did not finish; consoles and logs are kept in {}", self.dir.display());
        }
    }
}
