//! Speeds of the link modes of ethtool (`enum ethtool_link_mode_bit_indices` of linux/ethtool.h). The numbers are the
//! kernel's interface and never change; new ones are added at the end.

/// First bit, last bit, Mbit/s. Bits that are in no row say nothing about speed (pause, media, error correction).
const SPEEDS: &[(usize, usize, u32)] = &[
    (0, 1, 10),
    (2, 3, 100),
    (4, 5, 1_000),
    (12, 12, 10_000),
    (15, 15, 2_500),
    (17, 17, 1_000),
    (18, 20, 10_000),
    (21, 22, 20_000),
    (23, 26, 40_000),
    (27, 30, 56_000),
    (31, 33, 25_000),
    (34, 35, 50_000),
    (36, 39, 100_000),
    (40, 40, 50_000),
    (41, 41, 1_000),
    (42, 46, 10_000),
    (47, 47, 2_500),
    (48, 48, 5_000),
    (52, 56, 50_000),
    (57, 61, 100_000),
    (62, 66, 200_000),
    (67, 67, 100),
    (68, 68, 1_000),
    (69, 73, 400_000),
    (75, 79, 100_000),
    (80, 84, 200_000),
    (85, 89, 400_000),
    (90, 91, 100),
    (92, 92, 10),
    (93, 98, 800_000),
    (99, 102, 10),
    (103, 108, 200_000),
    (109, 114, 400_000),
    (115, 120, 800_000),
];

/// The fastest of a bitmap of modes, Mbit/s; 0 when none is known.
pub fn fastest(words: &[u32]) -> u32 {
    let set = |bit: usize| words.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1);
    SPEEDS.iter().filter(|(first, last, _)| (*first..=*last).any(set)).map(|(_, _, speed)| *speed).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_mode_counts() {
        assert_eq!(fastest(&[]), 0);
        // Of e1000e: 10, 100 and 1000 Mbit/s, autonegotiation, twisted pair.
        assert_eq!(fastest(&[0b1110_1111, 0]), 1_000);
        // Pause, fibre and FEC bits are no modes.
        assert_eq!(fastest(&[1 << 10 | 1 << 13 | 1 << 14, 1 << (49 - 32), 0]), 0);
        // 25000baseCR and 10000baseKR.
        assert_eq!(fastest(&[1 << 31 | 1 << 19]), 25_000);
        assert_eq!(fastest(&[0, 0, 1 << (69 - 64)]), 400_000);
        assert_eq!(fastest(&[u32::MAX; 127]), 800_000);
    }

    #[test]
    fn no_bit_stands_twice() {
        for pair in SPEEDS.windows(2) {
            assert!(pair[0].0 <= pair[0].1 && pair[0].1 < pair[1].0, "{pair:?}");
        }
    }
}
