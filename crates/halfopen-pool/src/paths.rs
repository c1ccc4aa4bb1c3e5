//! What is kept for each path, and when it is forgotten.
//!
//! What a path no longer needs is not forgotten at once: most paths are used again soon, and making
//! it anew would cost more than the rest of a request's way through the pool. It is forgotten when
//! there are many.

use std::collections::BTreeMap;

use crate::name::PathName;

/// Something for each path that is in use, and for some that were.
#[derive(Debug)]
pub(crate) struct Paths<T> {
    paths: BTreeMap<PathName, T>,
    /// How many there may be before those are looked for that are no longer needed.
    enough: usize,
}

/// What may be no longer needed.
pub(crate) trait Spent {
    /// Tells whether it says no more than one made anew.
    fn is_spent(&self) -> bool;
}

/// How many paths are kept whether they are needed or not.
const KEPT_MIN: usize = 1_024;

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { paths: BTreeMap::new(), enough: KEPT_MIN }
    }
}

impl<T: Default + Spent> Paths<T> {
    pub(crate) fn get(&self, path: &PathName) -> Option<&T> {
        self.paths.get(path)
    }

    pub(crate) fn get_mut(&mut self, path: &PathName) -> Option<&mut T> {
        self.paths.get_mut(path)
    }

    /// Returns what is kept for a path, made anew if need be.
    pub(crate) fn entry(&mut self, path: &PathName) -> &mut T {
        if self.paths.len() >= self.enough {
            self.paths.retain(|_, kept| !kept.is_spent());
            // Twice as many as are needed, so that this is seldom.
            self.enough = (2 * self.paths.len()).max(KEPT_MIN);
        }
        self.paths.entry(path.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Spent for u32 {
        fn is_spent(&self) -> bool {
            *self == 0
        }
    }

    #[test]
    fn what_nobody_needs_is_forgotten_when_there_is_much_of_it() {
        let mut paths = Paths::default();
        for number in 0..10 * KEPT_MIN {
            let path = PathName::to(&format!("http://service-{number}.internal:8080"));
            *paths.entry(&path) = u32::from(number % 10 == 0);
            assert!(paths.paths.len() <= 2 * (KEPT_MIN + number / 10));
        }
        let needed = paths.paths.values().filter(|kept| !kept.is_spent()).count();
        assert_eq!(needed, KEPT_MIN);
    }
}
