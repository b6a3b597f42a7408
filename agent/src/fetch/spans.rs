//! Which bytes of a part are there and where they came from: spans that never overlap, in order, neighbours of one source joined.
//! Pure; positions are offsets in the part, `to` is behind the last byte.

/// Some bytes of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
    /// Which server; none: not known.
    pub source: Option<usize>,
}

/// A set of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Puts bytes there, in the place of what was.
    pub fn put(&mut self, span: Span) {
        if span.from >= span.to {
            return;
        }
        self.cut(span.from, span.to);
        let place = self.0.partition_point(|s| s.from < span.from);
        self.0.insert(place, span);
        self.join(place);
        if let Some(before) = place.checked_sub(1) {
            self.join(before);
        }
    }

    /// One with the one behind it, where they touch and are of one source.
    fn join(&mut self, place: usize) {
        let next = self.0.get(place + 1).copied();
        if let (Some(span), Some(next)) = (self.0.get_mut(place), next)
            && (span.to, span.source) == (next.from, next.source)
        {
            span.to = next.to;
            self.0.remove(place + 1);
        }
    }

    /// Takes bytes away; what was there.
    pub fn cut(&mut self, from: u64, to: u64) -> Vec<Span> {
        let mut gone = Vec::new();
        if from >= to {
            return gone;
        }
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for span in self.0.drain(..) {
            if span.to <= from || span.from >= to {
                kept.push(span);
                continue;
            }
            gone.push(Span { from: span.from.max(from), to: span.to.min(to), ..span });
            if span.from < from {
                kept.push(Span { to: from, ..span });
            }
            if span.to > to {
                kept.push(Span { from: to, ..span });
            }
        }
        self.0 = kept;
        gone
    }

    /// Takes away what is not as wanted; what was there.
    pub fn keep(&mut self, wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
        let (kept, gone) = self.0.drain(..).partition(wanted);
        self.0 = kept;
        gone
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Span] {
        &self.0
    }

    /// Number of bytes.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|s| s.to - s.from).sum()
    }

    /// Bytes that are there from the beginning on without a gap.
    pub fn prefix(&self) -> u64 {
        self.end_of(0)
    }

    /// How far it goes on from here without a gap; here itself, when nothing does.
    pub fn end_of(&self, from: u64) -> u64 {
        let mut end = from;
        for span in self.0.iter().filter(|span| span.to > from) {
            if span.from > end {
                break;
            }
            end = span.to;
        }
        end
    }

    /// First bytes before `size` that neither this nor `other` has, at most `most` of them.
    pub fn gap(&self, other: &Spans, size: u64, most: u64) -> Option<(u64, u64)> {
        let mut taken: Vec<(u64, u64)> = self.0.iter().chain(&other.0).map(|s| (s.from, s.to)).collect();
        taken.sort_unstable();
        let (mut from, mut to) = (0, size);
        for (begin, end) in taken {
            if begin > from {
                to = begin.min(size);
                break;
            }
            from = from.max(end);
        }
        (from < to).then(|| (from, to.min(from.saturating_add(most))))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(from: u64, to: u64, source: usize) -> Span {
        Span { from, to, source: Some(source) }
    }

    #[test]
    fn neighbours_join_and_gaps_are_found() {
        let mut spans = Spans::default();
        spans.put(span(10, 20, 1));
        spans.put(span(0, 5, 1));
        assert_eq!((spans.prefix(), spans.gap(&Spans::default(), 30, 100)), (5, Some((5, 10))));
        let mut flying = Spans::default();
        flying.put(span(5, 10, 2));
        assert_eq!(spans.gap(&flying, 30, 4), Some((20, 24)));
        spans.put(span(5, 10, 1));
        assert_eq!(spans.all(), [span(0, 20, 1)]);
        spans.put(span(8, 12, 2));
        assert_eq!(spans.all(), [span(0, 8, 1), span(8, 12, 2), span(12, 20, 1)]);
        assert_eq!(spans.keep(|s| s.source == Some(1)), [span(8, 12, 2)]);
        assert_eq!(spans.bytes(), 16);
        assert_eq!(spans.gap(&Spans::default(), 0, 1), None);
    }

    proptest! {
        #[test]
        fn as_a_table_of_bytes(steps in prop::collection::vec((0u64..40, 0u64..40, 0usize..4), 0..30)) {
            let mut spans = Spans::default();
            let mut table = [None::<usize>; 40];
            for (from, to, source) in steps {
                // Source 3 takes away.
                if source == 3 { spans.cut(from, to); } else { spans.put(span(from, to, source)); }
                for at in from..to { table[at as usize] = (source != 3).then_some(source); }
            }
            for pair in spans.all().windows(2) {
                prop_assert!(pair[0].to < pair[1].from || pair[0].to == pair[1].from && pair[0].source != pair[1].source);
            }
            let mut seen = [None; 40];
            for s in spans.all() { for at in s.from..s.to { seen[at as usize] = s.source; } }
            prop_assert_eq!(seen, table);
            prop_assert_eq!(spans.bytes(), table.iter().flatten().count() as u64);
            prop_assert_eq!(spans.prefix(), table.iter().take_while(|s| s.is_some()).count() as u64);
            let first = table.iter().position(Option::is_none).map(|at| at as u64);
            let run = |from: usize| table[from..].iter().take_while(|s| s.is_some()).count();
            for from in 0..40 { prop_assert_eq!(spans.end_of(from as u64), (from + run(from)) as u64); }
            prop_assert_eq!(spans.gap(&Spans::default(), 40, 1), first.map(|at| (at, at + 1)));
        }
    }
}
