//! Long work on arrays: each step asks for its memory before it takes it, and ends early at an interrupt.

use warpbook_diagnostic::Diagnostic;

use crate::cancel::Cancel;
use crate::memory::{self, Shortage};

/// Elements between two looks at the interrupt: a few milliseconds of the slowest function.
const CHUNK: usize = 1 << 15;

/// Why work ended before its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Stopped {
    /// The reader interrupted the cell.
    Interrupted,
    /// There is no memory for the next array.
    Memory(Shortage),
}

impl From<Shortage> for Stopped {
    fn from(shortage: Shortage) -> Self {
        Self::Memory(shortage)
    }
}

impl From<Stopped> for Diagnostic {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Interrupted => Self::interrupted(),
            Stopped::Memory(shortage) => shortage.diagnostic("this"),
        }
    }
}

/// The result of a step of work.
pub type Result<T> = std::result::Result<T, Stopped>;

/// Makes arrays under an interrupt.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    cancel: &'a Cancel,
}

impl<'a> Work<'a> {
    /// Work that ends when `cancel` is requested.
    pub fn new(cancel: &'a Cancel) -> Self {
        Self { cancel }
    }

    /// The interrupt, for work that polls it in its own way.
    pub fn cancel(&self) -> &'a Cancel {
        self.cancel
    }

    /// Fails if the reader has interrupted the cell.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Stopped::Interrupted) } else { Ok(()) }
    }

    /// An empty vector with room for a number of elements.
    pub fn room<T>(&self, count: usize) -> Result<Vec<T>> {
        Ok(memory::room(count)?)
    }

    /// One value for each index from 0 to `count`.
    pub fn fill<T>(&self, count: usize, mut value: impl FnMut(usize) -> T) -> Result<Vec<T>> {
        let mut values = self.room(count)?;
        self.steps(count, |range| values.extend(range.map(&mut value)))?;
        Ok(values)
    }

    /// `count` copies of a value.
    pub fn repeat<T: Copy>(&self, count: usize, value: T) -> Result<Vec<T>> {
        self.fill(count, |_| value)
    }

    /// A value for each element of a slice.
    pub fn map<T, R>(&self, values: &[T], mut apply: impl FnMut(&T) -> R) -> Result<Vec<R>> {
        let mut mapped = self.room(values.len())?;
        self.steps(values.len(), |range| mapped.extend(values[range].iter().map(&mut apply)))?;
        Ok(mapped)
    }

    /// A value for each pair of elements of two slices, as many as the shorter one has.
    pub fn zip<A: Copy, B: Copy, R>(&self, a: &[A], b: &[B], apply: impl Fn(A, B) -> R) -> Result<Vec<R>> {
        let count = a.len().min(b.len());
        let mut zipped = self.room(count)?;
        let pair = |(&a, &b): (&A, &B)| apply(a, b);
        self.steps(count, |range| zipped.extend(a[range.clone()].iter().zip(&b[range]).map(pair)))?;
        Ok(zipped)
    }

    /// A copy of a slice.
    pub fn copy<T: Copy>(&self, values: &[T]) -> Result<Vec<T>> {
        let mut copy = self.room(values.len())?;
        self.append(&mut copy, values)?;
        Ok(copy)
    }

    /// Copies a slice to the end of a vector that has room for it.
    pub fn append<T: Copy>(&self, target: &mut Vec<T>, values: &[T]) -> Result<()> {
        self.steps(values.len(), |range| target.extend_from_slice(&values[range]))
    }

    /// The elements of a slice, fewer after an interrupt: a fold over them is followed by [`Self::check`].
    pub fn watched<'v, T>(&self, values: &'v [T]) -> impl Iterator<Item = &'v T> + use<'a, 'v, T> {
        let cancel = self.cancel;
        values.chunks(CHUNK).take_while(move |_| !cancel.is_cancelled()).flatten()
    }

    /// Calls `step` with parts of `0..count`, one after another, until an interrupt.
    pub fn steps(&self, count: usize, mut step: impl FnMut(std::ops::Range<usize>)) -> Result<()> {
        let mut start = 0;
        while start < count {
            self.check()?;
            let end = (start + CHUNK).min(count);
            step(start..end);
            start = end;
        }
        Ok(())
    }

    /// The elements in order: equal ones stay in theirs. `compare` has to be a total order.
    pub fn sorted<T: Copy>(
        &self,
        mut values: Vec<T>,
        compare: impl Fn(&T, &T) -> std::cmp::Ordering,
    ) -> Result<Vec<T>> {
        for run in values.chunks_mut(CHUNK) {
            self.check()?;
            run.sort_by(&compare);
        }
        let (mut length, count) = (CHUNK, values.len());
        while length < count {
            let mut merged = self.room(count)?;
            for pair in values.chunks(2 * length) {
                let (mut a, mut b) = pair.split_at(length.min(pair.len()));
                self.steps(pair.len(), |range| {
                    for _ in range {
                        let from_b = match (a.first(), b.first()) {
                            (Some(a), Some(b)) => compare(b, a).is_lt(),
                            (None, _) => true,
                            _ => false,
                        };
                        let side = if from_b { &mut b } else { &mut a };
                        if let Some((first, rest)) = side.split_first() {
                            merged.push(*first);
                            *side = rest;
                        }
                    }
                })?;
            }
            values = merged;
            length *= 2;
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_longer_than_a_step_are_whole() {
        let cancel = Cancel::new();
        let work = Work::new(&cancel);
        let count = 3 * CHUNK + 5;
        let values = work.fill(count, |index| (index * 7919 % 1000, index)).expect("filled");
        assert_eq!(work.map(&values, |pair| pair.1).expect("mapped"), (0..count).collect::<Vec<_>>());
        assert_eq!(work.zip(&values, &values[..count - 1], |a, b| a == b).expect("zipped"), vec![true; count - 1]);
        assert_eq!(work.watched(&values).count(), count);
        let mut expected = values.clone();
        expected.sort_by_key(|pair| pair.0);
        assert_eq!(work.sorted(values, |a, b| a.0.cmp(&b.0)).expect("sorted"), expected);
    }

    #[test]
    fn an_interrupt_ends_each_kind_of_step() {
        let cancel = Cancel::new();
        let work = Work::new(&cancel);
        let many = vec![0u8; 4 * CHUNK];
        let mut seen = 0;
        let filled = work.fill(many.len(), |_| {
            seen += 1;
            cancel.cancel();
        });
        assert_eq!((filled, seen), (Err(Stopped::Interrupted), CHUNK));
        assert_eq!(work.map(&many, |_| ()), Err(Stopped::Interrupted));
        assert_eq!(work.zip(&many, &many, |_, _| ()), Err(Stopped::Interrupted));
        assert_eq!(work.sorted(many.clone(), u8::cmp), Err(Stopped::Interrupted));
        assert_eq!(work.watched(&many).count(), 0);
        assert!(Diagnostic::from(Stopped::Interrupted).is_interrupted());
    }
}
