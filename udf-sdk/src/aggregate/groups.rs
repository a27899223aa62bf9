//! The states of all groups, one behind the other.

use alloc::vec::Vec;
use core::mem;

/// The states of groups by their numbers.
///
/// Groups leave at the front, a part of them at a time. The others do not move then, but become first in a longer and longer
/// row of places that are not in use, until that is half of all.
#[derive(Debug)]
pub(super) struct Groups<S> {
    places: Vec<S>,
    /// Place of group 0.
    first: usize,
    /// Bytes that the states hold on the heap.
    heap_bytes: usize,
}

impl<S> Default for Groups<S> {
    fn default() -> Self {
        Groups {
            places: Vec::new(),
            first: 0,
            heap_bytes: 0,
        }
    }
}

impl<S: Default> Groups<S> {
    /// Makes sure that there are so many groups.
    pub(super) fn grow(&mut self, count: usize) {
        let wanted = self.first + count;
        if wanted > self.places.len() {
            self.places.resize_with(wanted, S::default);
        }
    }

    /// The states of the groups.
    #[inline(always)]
    pub(super) fn states(&mut self) -> &mut [S] {
        &mut self.places[self.first..]
    }

    /// Notes that states hold so many bytes more on the heap than so many.
    #[inline(always)]
    pub(super) fn count_heap(&mut self, more: usize, less: usize) {
        self.heap_bytes = self.heap_bytes.wrapping_add(more).wrapping_sub(less);
    }

    /// Bytes that all of it holds.
    pub(super) fn bytes(&self) -> u64 {
        (self.places.capacity() * size_of::<S>()) as u64 + self.heap_bytes as u64
    }

    /// Notes that the first groups hold nothing on the heap any more.
    pub(super) fn release(&mut self, count: usize, heap_bytes: &impl Fn(&S) -> usize) {
        let released = self.states()[..count].iter().map(heap_bytes).sum();
        self.count_heap(0, released);
    }

    /// Forgets the first groups.
    pub(super) fn forget(&mut self, count: usize, heap_bytes: &impl Fn(&S) -> usize) {
        self.grow(count);
        self.release(count, heap_bytes);
        if mem::needs_drop::<S>() && count < self.states().len() {
            self.states()[..count].fill_with(S::default);
        }
        self.drop_first(count);
    }

    /// Forgets the first groups, whose states are empty already.
    pub(super) fn drop_first(&mut self, count: usize) {
        self.first += count;
        if self.first >= self.places.len() {
            // With them goes the memory, which the host may need for what follows.
            self.places = Vec::new();
            self.first = 0;
        } else if self.first > self.places.len() / 2 {
            self.places.drain(..self.first);
            self.first = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn moves_groups_down_and_gives_memory_back() {
        let mut groups = Groups::<u64>::default();
        groups.grow(10);
        for (state, number) in groups.states().iter_mut().zip(0..) {
            *state = number;
        }
        for (count, left) in [(0, 10), (3, 7), (1, 6), (4, 2)] {
            groups.forget(count, &|_| 0);
            assert_eq!(groups.states().len(), left);
            assert_eq!(groups.states()[0], 10 - left as u64);
        }
        assert!(groups.bytes() >= 16);
        groups.grow(4);
        assert_eq!(groups.states(), [8, 9, 0, 0]);
        groups.forget(4, &|_| 0);
        assert_eq!((groups.bytes(), groups.states().len()), (0, 0));
    }

    #[test]
    fn counts_the_heap() {
        let mut groups = Groups::<Vec<u8>>::default();
        groups.grow(2);
        groups.states()[0] = vec![0; 100];
        groups.count_heap(100, 0);
        let places = groups.bytes() - 100;
        groups.forget(1, &Vec::capacity);
        assert!(groups.bytes() <= places);
    }
}
