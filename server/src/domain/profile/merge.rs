//! Words over words: how what a child says goes over what its parent says. Maps are merged key by key at any depth, `null`
//! removes, everything else (text, numbers, lists) replaces. Pure, and it never recurses deeper than [`DEPTH_MAX`].

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Maps in maps, at most: deeper input is refused by [`Layer::of`].
pub const DEPTH_MAX: usize = 8;

/// What one profile says, ready to go over another one or under it.
///
/// Layers are a monoid: `a.under(b.under(c)) == a.under(b).under(c)`, and [`Layer::nothing`] changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Nothing of this stays.
    Gone,
    /// This and nothing else.
    Value(Value),
    /// These keys over those that are there.
    Keys(BTreeMap<String, Layer>),
    /// These keys and no others: a map that was removed, or was no map, and was begun again.
    Fresh(BTreeMap<String, Layer>),
}

impl Layer {
    /// Says nothing.
    pub fn nothing() -> Self {
        Self::Keys(BTreeMap::new())
    }

    /// Of a person's words. None: maps nested deeper than [`DEPTH_MAX`].
    pub fn of(words: &Map<String, Value>) -> Option<Self> {
        keys(words, DEPTH_MAX).map(Self::Keys)
    }

    /// This below, `child` above.
    pub fn under(self, child: Layer) -> Layer {
        match (self, child) {
            (Self::Keys(below), Self::Keys(above)) => Self::Keys(both(below, above)),
            (Self::Fresh(below), Self::Keys(above)) => Self::Fresh(both(below, above)),
            (Self::Gone | Self::Value(_), Self::Keys(above)) => Self::Fresh(above),
            (_, child) => child,
        }
    }

    /// What is left when nothing lies below: no `null` any more.
    pub fn resolved(&self) -> Option<Value> {
        match self {
            Self::Gone => None,
            Self::Value(value) => Some(value.clone()),
            Self::Keys(map) | Self::Fresh(map) => {
                Some(Value::Object(map.iter().filter_map(|(k, v)| Some((k.clone(), v.resolved()?))).collect()))
            }
        }
    }
}

fn keys(words: &Map<String, Value>, depth: usize) -> Option<BTreeMap<String, Layer>> {
    let depth = depth.checked_sub(1)?;
    let layer = |value: &Value| match value {
        Value::Null => Some(Layer::Gone),
        Value::Object(map) => keys(map, depth).map(Layer::Keys),
        value => Some(Layer::Value(value.clone())),
    };
    words.iter().map(|(key, value)| Some((key.clone(), layer(value)?))).collect()
}

fn both(mut below: BTreeMap<String, Layer>, above: BTreeMap<String, Layer>) -> BTreeMap<String, Layer> {
    for (key, child) in above {
        let merged = match below.remove(&key) {
            Some(parent) => parent.under(child),
            None => child,
        };
        below.insert(key, merged);
    }
    below
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn layer(value: Value) -> Layer {
        Layer::of(value.as_object().unwrap()).unwrap()
    }

    fn merged(parent: Value, child: Value) -> Value {
        layer(parent).under(layer(child)).resolved().unwrap()
    }

    #[test]
    fn a_child_wins_and_null_removes() {
        let parent = json!({"cmdline": "a", "files": {"/a": {"content": "x", "mode": 420}, "/b": {"content": "y"}}});
        let child = json!({"cmdline": "b", "files": {"/a": {"mode": 384}, "/b": null, "/c": null}, "modules": ["m"]});
        let both = json!({"cmdline": "b", "files": {"/a": {"content": "x", "mode": 384}}, "modules": ["m"]});
        assert_eq!(merged(parent.clone(), child), both);
        assert_eq!(merged(parent, json!({"files": null})), json!({"cmdline": "a"}));
        assert_eq!(merged(json!({"l": ["a", "b"]}), json!({"l": ["c"]})), json!({"l": ["c"]}), "lists replace");
    }

    #[test]
    fn what_is_begun_again_keeps_nothing() {
        let gone = layer(json!({"f": {"a": 1}})).under(layer(json!({"f": null})));
        assert_eq!(gone.under(layer(json!({"f": {"b": 2}}))).resolved().unwrap(), json!({"f": {"b": 2}}));
    }

    #[test]
    fn depth_is_bounded() {
        let mut value = json!({});
        for _ in 0..DEPTH_MAX {
            value = json!({ "a": value });
        }
        assert_eq!(Layer::of(value.as_object().unwrap()), None);
        assert!(Layer::of(value["a"].as_object().unwrap()).is_some());
    }

    fn words() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), Just(json!(1)), Just(json!("x")), Just(json!(["a"]))];
        let map = |inner| prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|m| json!(m));
        let any = leaf.prop_recursive(3, 24, 4, map);
        prop::collection::btree_map("[abc]", any, 0..4).prop_map(|m| json!(m))
    }

    proptest! {
        #[test]
        fn laws((a, b, c) in (words(), words(), words())) {
            let (a, b, c) = (layer(a), layer(b), layer(c));
            // Identity.
            prop_assert_eq!(&Layer::nothing().under(a.clone()).resolved(), &a.resolved());
            prop_assert_eq!(&a.clone().under(Layer::nothing()), &a);
            // Associativity.
            let left = a.clone().under(b.clone()).under(c.clone());
            prop_assert_eq!(&left, &a.clone().under(b.clone().under(c)));
            // Idempotence: said twice is said once.
            let once = a.clone().under(b.clone());
            prop_assert_eq!(&once.clone().under(b.clone()).resolved(), &once.resolved());
            // What is stored resolved is as good as the chain that it came from.
            let stored = layer(a.resolved().unwrap());
            prop_assert_eq!(&stored.under(b.clone()).resolved(), &once.resolved());
            // The child wins, and null removes.
            let (Layer::Keys(said), Some(Value::Object(found))) = (&b, once.resolved()) else { unreachable!() };
            for (key, word) in said {
                match word {
                    Layer::Gone => prop_assert!(!found.contains_key(key)),
                    Layer::Value(value) => prop_assert_eq!(found.get(key), Some(value)),
                    _ => prop_assert!(found.get(key).is_some_and(Value::is_object)),
                }
            }
        }
    }
}
