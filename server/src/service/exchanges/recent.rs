//! A map that holds a bounded number of entries: what was not used for longest goes, and of that, strangers' first. A flood of
//! strangers must not push out what is known of nodes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// The map. Its keys come from strangers: the hash is seeded.
pub struct Recent<K, V> {
    entries: HashMap<K, Entry<V>>,
    uses: u64,
    most: usize,
}

struct Entry<V> {
    known: bool,
    used: u64,
    value: V,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    /// An empty one for at most `most` entries.
    pub fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), uses: 0, most }
    }

    /// The value of a key; this is no use of it.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// The value of a key, made where there is none; `known`: it is of a node.
    pub fn entry(&mut self, key: K, known: bool, make: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            self.make_room();
        }
        self.uses += 1;
        let used = self.uses;
        let entry = self.entries.entry(key).or_insert_with(|| Entry { known, used, value: make() });
        (entry.known, entry.used) = (known, used);
        &mut entry.value
    }

    /// An eighth goes at once, so that a flood does not search for the oldest each time.
    fn make_room(&mut self) {
        let mut all: Vec<(bool, u64, K)> = self.entries.iter().map(|(k, e)| (e.known, e.used, k.clone())).collect();
        let go = (self.most / 8).max(1).min(all.len());
        all.sort_unstable_by_key(|(known, used, _)| (*known, *used));
        for (_, _, key) in all.into_iter().take(go) {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_strangers_pushes_out_strangers() {
        let mut map = Recent::new(16);
        for node in 0..4 {
            map.entry(node, true, || node);
        }
        for stranger in 100..1_000 {
            map.entry(stranger, false, || stranger);
            assert!(map.entries.len() <= 16);
        }
        assert!((0..4).all(|node| map.get(&node) == Some(&node)));
        assert_eq!((map.get(&999), map.get(&100)), (Some(&999), None));
        // Nodes alone: the one that was not used for longest.
        map.entry(0, true, || 7);
        for node in 2_000..2_013 {
            map.entry(node, true, || node);
        }
        assert_eq!((map.get(&0), map.get(&1)), (Some(&0), None));
    }
}
