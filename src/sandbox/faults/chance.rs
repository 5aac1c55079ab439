//! Chances that repeat: a number for each call that depends on nothing but names and counts.

/// What chance has drawn for one fault at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Draw(u64);

impl Draw {
    /// Of a fault by its number, at that call of that operation.
    pub(super) fn of(seed: u64, fault: u64, operation: &str, call: u64) -> Draw {
        // FNV-1a over the name, so that operations draw apart.
        let name = operation
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let mixed = [fault, name, call]
            .into_iter()
            .fold(mix(seed), |state, part| mix(state ^ mix(part)));
        Draw(mixed)
    }

    /// From 0 up to 1.
    pub(super) fn share(self) -> f64 {
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next draw of the same call.
    pub(super) fn next(self) -> Draw {
        Draw(mix(self.0))
    }

    /// From 0 up to a bound, without it; 0 where the bound is.
    pub(super) fn below(self, bound: usize) -> usize {
        usize::try_from(self.0 % (bound.max(1) as u64)).unwrap_or(0)
    }
}

/// A step of SplitMix64.
fn mix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
