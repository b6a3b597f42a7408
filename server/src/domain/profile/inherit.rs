//! Who may inherit from whom: one parent each, no loops, and no more than [`GENERATIONS_MAX`] above each other.

use super::spec::Wrong;
use super::{GENERATIONS_MAX, Name};

/// May `name` have this parent? `below` is how many generations inherit from `name` already; `parent_of` tells the present
/// parent of another profile. Errors: those of `parent_of`; inside: a loop, or too many generations.
pub fn check_parent<E>(
    name: &Name,
    parent: Option<&Name>,
    below: usize,
    mut parent_of: impl FnMut(&Name) -> Result<Option<Name>, E>,
) -> Result<Result<(), Wrong>, E> {
    let wrong = |expected: &str, got: &[String]| Ok(Err(Wrong::new("parent", expected, got.join(" < "))));
    let mut line = vec![name.to_string()];
    let mut next = parent.cloned();
    while let Some(above) = next {
        line.push(above.to_string());
        if above == *name {
            return wrong("a profile that does not inherit from this one", &line);
        }
        if line.len() > GENERATIONS_MAX {
            break;
        }
        next = parent_of(&above)?;
    }
    if line.len() + below > GENERATIONS_MAX {
        return wrong("at most 8 generations", &line);
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    fn name(n: usize) -> Name {
        format!("p{n}").parse().unwrap()
    }

    fn below(parents: &BTreeMap<Name, Name>, of: &Name) -> usize {
        let children = parents.iter().filter(|(_, parent)| *parent == of);
        children.map(|(child, _)| 1 + below(parents, child)).max().unwrap_or(0)
    }

    #[test]
    fn loops_and_long_lines_are_told() {
        let told = |name: &Name, parent: &Name| {
            check_parent(name, Some(parent), 0, |_| Ok::<_, ()>(Some(name.clone()))).unwrap().unwrap_err().to_string()
        };
        let loops = "parent: expected a profile that does not inherit from this one, got ";
        assert_eq!(told(&name(1), &name(1)), format!("{loops}p1 < p1"));
        assert_eq!(told(&name(1), &name(2)), format!("{loops}p1 < p2 < p1"));
    }

    proptest::proptest! {
        #[test]
        fn inheritance_never_loops(changes in proptest::collection::vec((0..12usize, 0..12usize), 0..60)) {
            let mut parents = BTreeMap::<Name, Name>::new();
            for (child, parent) in changes {
                let (child, parent) = (name(child), name(parent));
                let lower = below(&parents, &child);
                let answer = check_parent(&child, Some(&parent), lower, |n| Ok::<_, ()>(parents.get(n).cloned()));
                if answer.unwrap().is_ok() {
                    parents.insert(child, parent);
                }
                for n in 0..12 {
                    let (mut at, mut steps) = (name(n), 1);
                    while let Some(above) = parents.get(&at) {
                        at = above.clone();
                        steps += 1;
                        proptest::prop_assert!(steps <= GENERATIONS_MAX);
                    }
                }
            }
        }
    }
}
