//! What functions keep from one call to the next: groups of aggregates, streams of windows, scans of tables.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use crate::error::Error;

/// States by the numbers that the host knows them by, of which 0 is none.
#[derive(Default)]
pub(crate) struct States {
    /// State `n` is at place `n - 1`.
    slots: Vec<Option<Box<dyn Any>>>,
    /// Places that are free again.
    free: Vec<usize>,
}

impl States {
    pub(crate) const fn new() -> Self {
        States {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Keeps a state; its number.
    pub(crate) fn insert<T: 'static>(&mut self, state: T) -> u32 {
        let state: Option<Box<dyn Any>> = Some(Box::new(state));
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place] = state;
                place
            }
            None => {
                self.slots.push(state);
                self.slots.len() - 1
            }
        };
        place as u32 + 1
    }

    /// Lends a state: it has to come back with [`States::restore`].
    ///
    /// # Errors
    ///
    /// If there is no state with this number and of this type.
    pub(crate) fn lend<T: 'static>(&mut self, number: u32) -> Result<Box<T>, Error> {
        let slot = (number as usize)
            .checked_sub(1)
            .and_then(|place| self.slots.get_mut(place))
            .filter(|slot| slot.as_ref().is_some_and(|state| state.is::<T>()));
        slot.and_then(Option::take)
            .and_then(|state| state.downcast().ok())
            .ok_or_else(|| Error::new("the function has no state with this number"))
    }

    /// Takes a state back that was lent under this number.
    pub(crate) fn restore<T: 'static>(&mut self, number: u32, state: Box<T>) {
        if let Some(slot) = self.slots.get_mut(number as usize - 1) {
            *slot = Some(state);
        }
    }

    /// Gives a state up.
    ///
    /// # Errors
    ///
    /// As [`States::lend`].
    pub(crate) fn remove<T: 'static>(&mut self, number: u32) -> Result<(), Error> {
        self.lend::<T>(number)?;
        self.free.push(number as usize - 1);
        Ok(())
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States")
            .field("slots", &self.slots.len())
            .field("free", &self.free.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_it_keeps_and_nothing_else() {
        let mut states = States::new();
        let (one, two) = (states.insert(1i64), states.insert(2i64));
        assert_ne!((one, two), (0, 0));
        assert!(states.lend::<i64>(0).is_err() && states.lend::<i64>(3).is_err());
        assert!(states.lend::<u8>(one).is_err());
        let lent = states.lend::<i64>(two).map(|state| *state);
        assert_eq!(lent.ok(), Some(2));
        states.restore(two, Box::new(3i64));
        assert!(states.remove::<i64>(one).is_ok());
        assert!(states.lend::<i64>(one).is_err() && states.remove::<i64>(one).is_err());
        assert_eq!(states.insert("new"), one);
        assert_eq!(states.lend::<i64>(two).map(|state| *state).ok(), Some(3));
    }
}
