//! Session sequence numbers (6.12.12-6.12.13): which packets of the BMC are new, and which number is next for ours.

/// Numbers that came from the BMC. Only numbers of packets with a right code are shown to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    highest: u32,
    /// Bit n: `highest - n` was seen.
    seen: u32,
}

impl Window {
    /// Whether a packet with this number is new; remembers it. 31 numbers behind the highest are still taken: answers may
    /// overtake each other. Any number ahead is taken: a BMC that skips some loses nothing, and its code is right.
    pub fn take(&mut self, number: u32) -> bool {
        if number == 0 {
            return false;
        }
        let ahead = number.wrapping_sub(self.highest);
        if ahead != 0 && ahead < 1 << 31 {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = number;
            return true;
        }
        let bit = self.highest.wrapping_sub(number);
        let Some(mask) = 1u32.checked_shl(bit) else { return false };
        let new = self.seen & mask == 0;
        self.seen |= mask;
        new
    }
}

/// The number after this one; 0 is none (it means "outside a session").
pub fn next(number: u32) -> u32 {
    number.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_in_any_order() {
        let mut window = Window::default();
        assert!([1, 2, 5, 4, 3].into_iter().all(|n| window.take(n)));
        assert!([1, 2, 3, 4, 5, 0].into_iter().all(|n| !window.take(n)));
        assert!(window.take(40) && window.take(9) && !window.take(8) && !window.take(9));
        assert!(window.take(1_000) && !window.take(40) && window.take(999));
    }

    #[test]
    fn numbers_go_on_after_the_last() {
        let mut window = Window::default();
        for number in [1u32 << 30, 1 << 31, (1 << 31) + (1 << 30), u32::MAX] {
            assert!(window.take(number) && !window.take(number));
        }
        assert_eq!(next(u32::MAX), 1);
        assert!(window.take(1) && window.take(u32::MAX - 1) && !window.take(u32::MAX) && !window.take(1));
    }
}
