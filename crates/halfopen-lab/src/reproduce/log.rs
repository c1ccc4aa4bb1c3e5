//! What programs and watchers write down as they go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What programs write down as they go.
pub(crate) struct Log<T>(Arc<Mutex<Entries<T>>>);

struct Entries<T> {
    /// How many were taken before the first of these.
    taken: usize,
    kept: VecDeque<T>,
}

impl<T> Log<T> {
    /// Writes an entry, and returns its place for [`change`](Self::change).
    pub(super) fn push(&self, entry: T) -> usize {
        let mut entries = self.lock();
        entries.kept.push_back(entry);
        entries.taken + entries.kept.len() - 1
    }

    /// Changes an entry, unless it was taken.
    pub(super) fn change(&self, place: usize, change: impl FnOnce(&mut T)) {
        let mut entries = self.lock();
        let place = place.checked_sub(entries.taken);
        if let Some(entry) = place.and_then(|place| entries.kept.get_mut(place)) {
            change(entry);
        }
    }

    /// Takes all entries.
    pub(crate) fn take(&self) -> Vec<T> {
        self.take_while(|_| true)
    }

    /// Takes the first entries for which that holds.
    pub(crate) fn take_while(&self, mut holds: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut entries = self.lock();
        let end = entries.kept.iter().position(|entry| !holds(entry));
        let end = end.unwrap_or(entries.kept.len());
        entries.taken += end;
        entries.kept.drain(..end).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { taken: 0, kept: VecDeque::new() })))
    }
}
