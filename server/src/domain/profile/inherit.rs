//! Who may inherit from whom: one parent each, no loops, and no more than [`GENERATIONS_MAX`] above each other; and in which order
//! several are saved.

use super::spec::Wrong;
use super::{GENERATIONS_MAX, Name};
use std::collections::BTreeMap;

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

/// In which order profiles are saved in one step: who is above before who is below, also where one that is not saved
/// (`stored`: the present parents of all) is between them. Those in a loop come last: saving them tells the loop.
pub fn in_order(said: &BTreeMap<Name, Option<Name>>, stored: &BTreeMap<Name, Option<Name>>) -> Vec<Name> {
    let above = |parent: &Option<Name>| {
        let mut next = parent.as_ref();
        // No line of parents is longer than there are profiles.
        for _ in 0..=stored.len() {
            match next {
                Some(parent) if said.contains_key(parent) => return Some(parent.clone()),
                Some(parent) => next = stored.get(parent).and_then(Option::as_ref),
                None => break,
            }
        }
        None
    };
    let mut left: BTreeMap<&Name, Option<Name>> = said.iter().map(|(name, parent)| (name, above(parent))).collect();
    let mut ordered = Vec::new();
    loop {
        let ready = |above: &Option<Name>| above.as_ref().is_none_or(|above| !left.contains_key(above));
        let next: Vec<&Name> = left.iter().filter(|(_, above)| ready(above)).map(|(name, _)| *name).collect();
        if next.is_empty() {
            ordered.extend(left.into_keys().cloned());
            return ordered;
        }
        left.retain(|name, _| !next.contains(name));
        ordered.extend(next.into_iter().cloned());
    }
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

    #[test]
    fn who_is_above_is_saved_first() {
        let map = |pairs: &[(usize, Option<usize>)]| -> BTreeMap<Name, Option<Name>> {
            pairs.iter().map(|(child, parent)| (name(*child), parent.map(name))).collect()
        };
        let order = |said: &[_], stored: &[_]| {
            in_order(&map(said), &map(stored)).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(&[(1, Some(2)), (2, Some(3)), (3, None)], &[]), "p3 p2 p1");
        // p2 is not among those that are saved.
        assert_eq!(order(&[(1, Some(2)), (3, None)], &[(2, Some(3)), (3, None)]), "p3 p1");
        assert_eq!(order(&[(1, Some(4)), (3, None)], &[(4, Some(2)), (2, Some(3)), (3, None)]), "p3 p1");
        // What is stored of one that is saved counts no more.
        assert_eq!(order(&[(1, None), (2, Some(1))], &[(1, Some(2)), (2, None)]), "p1 p2");
        assert_eq!(order(&[(1, Some(2)), (2, Some(1)), (3, None)], &[]), "p3 p1 p2", "a loop is told later");
        assert_eq!(order(&[(1, Some(2))], &[(2, Some(4)), (4, Some(2))]), "p1");
        assert_eq!(order(&[(1, Some(9))], &[]), "p1");
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
