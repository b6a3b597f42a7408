//! Random layers against a model that is slow and simple: paths in a map, a layer's whiteouts first, then its entries.

use crate::make::{Layer, flatten, lines};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a layer does, on few names so that they meet.
#[derive(Debug, Clone)]
enum Op {
    File(String, u8),
    Dir(String),
    Symlink(String),
    HardLink(String, String),
    Whiteout(String),
    Opaque(String),
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]", 1..4).prop_map(|parts| parts.join("/"))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (path(), any::<u8>()).prop_map(|(path, content)| Op::File(path, content)),
        3 => path().prop_map(Op::Dir),
        1 => path().prop_map(Op::Symlink),
        2 => (path(), path()).prop_map(|(path, to)| Op::HardLink(path, to)),
        2 => path().prop_map(Op::Whiteout),
        1 => path().prop_map(Op::Opaque),
    ]
}

/// A file has a number: two names with the same one are one file.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    File(usize, u8),
    Dir,
    /// Never used as a parent here: the model follows nothing.
    Symlink(usize),
}

#[derive(Default, Clone)]
struct Model {
    nodes: BTreeMap<String, Node>,
    next: usize,
}

fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

impl Model {
    /// Whether every parent is a folder or missing.
    fn parents_ok(&self, path: &str) -> bool {
        path.match_indices('/')
            .all(|(at, _)| !matches!(self.nodes.get(&path[..at]), Some(Node::File(..) | Node::Symlink(_))))
    }

    fn put(&mut self, path: &str, node: Node) {
        for (at, _) in path.match_indices('/') {
            self.nodes.entry(path[..at].to_owned()).or_insert(Node::Dir);
        }
        if node != Node::Dir || self.nodes.get(path) != Some(&Node::Dir) {
            self.nodes.retain(|other, _| below(other, path).is_none());
        }
        self.nodes.insert(path.to_owned(), node);
    }

    fn layer(&mut self, ops: &[Op]) {
        // Lower layers without what is whited out; entries then find them so.
        for op in ops {
            match op {
                Op::Whiteout(path) => self.nodes.retain(|other, _| other != path && below(other, path).is_none()),
                Op::Opaque(path) => self.nodes.retain(|other, _| below(other, path).is_none()),
                _ => {}
            }
        }
        for op in ops {
            self.next += 1;
            match op {
                Op::File(path, content) => self.put(path, Node::File(self.next, *content)),
                Op::Dir(path) => self.put(path, Node::Dir),
                Op::Symlink(path) => self.put(path, Node::Symlink(self.next)),
                Op::HardLink(path, to) => {
                    let node = self.nodes[to].clone();
                    self.put(path, node);
                }
                Op::Whiteout(_) | Op::Opaque(_) => {}
            }
        }
    }

    /// In the form of `make::lines`.
    fn lines(&self) -> Vec<String> {
        let mut first: BTreeMap<usize, &str> = BTreeMap::new();
        let mut sorted: Vec<_> = self.nodes.iter().collect();
        sorted.sort_by_key(|(path, _)| path.split('/').map(str::to_owned).collect::<Vec<_>>());
        sorted
            .into_iter()
            .map(|(path, node)| match node {
                Node::Dir => format!("{path} dir"),
                Node::File(id, _) | Node::Symlink(id) if first.contains_key(id) => format!("{path} = {}", first[id]),
                Node::File(id, content) => {
                    first.insert(*id, path);
                    format!("{path} \"{content}\"")
                }
                Node::Symlink(id) => {
                    first.insert(*id, path);
                    format!("{path} -> nowhere")
                }
            })
            .collect()
    }
}

/// Whiteouts are put where `front` says: before or behind the entries of their layer, which must not matter.
fn bytes(ops: &[Op], front: bool) -> Layer {
    let is_whiteout = |op: &&Op| matches!(op, Op::Whiteout(_) | Op::Opaque(_));
    let (first, then): (Vec<&Op>, Vec<&Op>) = ops.iter().partition(|op| is_whiteout(op) == front);
    first.into_iter().chain(then).fold(Layer::new(), |layer, op| match op {
        Op::File(path, content) => layer.file(path, &content.to_string()),
        Op::Dir(path) => layer.dir(path),
        Op::Symlink(path) => layer.symlink(path, "nowhere"),
        Op::HardLink(path, to) => layer.hard_link(path, to),
        Op::Whiteout(path) => match path.rsplit_once('/') {
            Some((folder, name)) => layer.whiteout(&format!("{folder}/.wh.{name}")),
            None => layer.whiteout(&format!(".wh.{path}")),
        },
        Op::Opaque(path) => layer.whiteout(&format!("{path}/.wh..wh..opq")),
    })
}

/// Takes out of a layer what would be an error, or what the model leaves open.
fn sensible(model: &Model, ops: Vec<Op>) -> Vec<Op> {
    let (whiteouts, entries): (Vec<Op>, Vec<Op>) =
        ops.into_iter().partition(|op| matches!(op, Op::Whiteout(_) | Op::Opaque(_)));
    let mut good: Vec<Op> = whiteouts
        .into_iter()
        .filter(|op| match op {
            // A whiteout through a link or file hides nothing; of a folder alone.
            Op::Whiteout(path) => model.parents_ok(path),
            Op::Opaque(path) => model.parents_ok(&format!("{path}/x")),
            _ => true,
        })
        .collect();
    let mut trial = model.clone();
    trial.layer(&good);
    for op in entries {
        let fits = match &op {
            Op::File(path, _) | Op::Dir(path) | Op::Symlink(path) => trial.parents_ok(path),
            Op::HardLink(path, to) => {
                trial.parents_ok(path)
                    && path != to
                    && matches!(trial.nodes.get(to), Some(Node::File(..) | Node::Symlink(_)))
            }
            _ => false,
        };
        if fits {
            trial.layer(std::slice::from_ref(&op));
            good.push(op);
        }
    }
    good
}

fn without_metadata(lines: Vec<String>) -> Vec<String> {
    let short = |line: String| match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
        [path, _, _, kind] => format!("{path} {kind}"),
        _ => line,
    };
    lines.into_iter().map(short).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flattening_is_what_the_model_says(layers in proptest::collection::vec((proptest::collection::vec(op(), 0..10), any::<bool>()), 1..5)) {
        let mut model = Model::default();
        let mut made = Vec::new();
        for (ops, front) in layers {
            let ops = sensible(&model, ops);
            // Behind the entries, a whiteout of a folder that an entry replaced by a file meets that file.
            let front = front || !whiteouts_commute(&model, &ops);
            made.push(bytes(&ops, front));
            model.layer(&ops);
        }
        let (tree, spool) = flatten(&made).unwrap();
        prop_assert_eq!(without_metadata(lines(&tree, &spool)), model.lines());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000), at in 0_usize..3000, with in any::<u8>()) {
        let limits = higuma_oci::Limits::default();
        let _ = crate::make::flatten_within(&[bytes], &limits);
        // A good one with a byte changed, its checksum made right again.
        let mut layer = Layer::new().dir("d").file("d/x", "x").symlink("s", "d").hard_link("h", "s/x").whiteout("d/.wh.x");
        let at = at % layer.0.len();
        layer.0[at] = with;
        let block = at / 512 * 512;
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&layer.0[block..block + 512]);
        header.set_cksum();
        layer.0[block..block + 512].copy_from_slice(header.as_bytes());
        let _ = crate::make::flatten_within(&[layer.tar()], &limits);
    }
}

/// Is a hard link's target, or a folder on the way, something that a whiteout of the same layer takes from below it?
fn whiteouts_commute(model: &Model, ops: &[Op]) -> bool {
    let hidden: Vec<&String> = ops
        .iter()
        .filter_map(|op| if let Op::Whiteout(path) | Op::Opaque(path) = op { Some(path) } else { None })
        .collect();
    let touches =
        |path: &str| hidden.iter().any(|h| path == h.as_str() || below(path, h).is_some() || below(h, path).is_some());
    let only_folders = |path: &str| {
        path.match_indices('/').all(|(at, _)| model.nodes.get(&path[..at]).is_none_or(|node| *node == Node::Dir))
    };
    ops.iter().all(|op| match op {
        Op::HardLink(path, to) => !touches(to) && (!touches(path) || only_folders(path)),
        Op::File(path, _) | Op::Symlink(path) | Op::Dir(path) => !touches(path) || only_folders(path),
        _ => true,
    })
}
