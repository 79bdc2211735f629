//! How what each buffer holds came about: enough to make it again when there was no room for a copy of it.
//!
//! A buffer's contents have a [`State`], which changes with each launch that writes them. The journal knows what made a
//! state, from which other states, and a digest of the contents where no copy of them is kept. Whoever makes a state
//! again compares with that digest: what is not the same to the bit is not given back as if it were.

use std::collections::HashMap;
use std::sync::Arc;

use super::{LaunchSpec, Scalars, Version};
use warpbook_device::{Buffer, Place};

/// The contents of a buffer at one time: which buffer, and how many launches had written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    buffer: u64,
    written: u32,
}

impl State {
    /// True if both are states of the same buffer.
    pub fn is_of_same_buffer(self, other: Self) -> bool {
        self.buffer == other.buffer
    }
}

/// A buffer that something was made from, as it was then.
#[derive(Clone, Debug)]
pub struct Input {
    /// Name, type and shape of the buffer; the address is out of date.
    pub buffer: Buffer,
    /// The state that the buffer had.
    pub state: State,
}

/// How a state was made.
#[derive(Debug)]
pub enum Maker {
    /// `%buf` and its like: the recipe of this buffer.
    Made {
        /// The buffer as it was made.
        buffer: Buffer,
        /// The buffers that the recipe names.
        inputs: Vec<Input>,
        /// The scalars at that time.
        scalars: Scalars,
    },
    /// A launch that wrote the buffer.
    Launched(Box<Launched>),
}

/// A launch that wrote buffers.
#[derive(Debug)]
pub struct Launched {
    /// The kernel's name.
    pub kernel: String,
    /// The version of the kernel that ran.
    pub version: Version,
    /// Grid and arguments of the launch.
    pub launch: LaunchSpec,
    /// The buffers that the arguments name, before the launch.
    pub inputs: Vec<Input>,
    /// Why it cannot be repeated elsewhere in memory, if that is so: it wrote what it was not given, or was given a bare
    /// address.
    pub fixed: Option<String>,
    /// The scalars at that time.
    pub scalars: Scalars,
    /// The device that ran the launch.
    pub place: Place,
    /// On which architecture.
    pub capability: u32,
}

/// Most makers that are kept; the oldest are forgotten.
const MOST_MAKERS: usize = 512;

/// How the contents of a session's buffers were made.
#[derive(Debug, Default)]
pub struct Journal {
    next: u64,
    /// The state of each live buffer, and its contents' digest where that is known.
    current: HashMap<String, (State, Option<u64>)>,
    makers: Vec<(State, Arc<Maker>)>,
}

impl Journal {
    /// The state of a live buffer.
    pub fn state(&self, name: &str) -> Option<State> {
        self.current.get(name).map(|(state, _)| *state)
    }

    /// The name of the live buffer that holds a state.
    pub fn holder(&self, wanted: State) -> Option<&str> {
        self.current.iter().find(|(_, (state, _))| *state == wanted).map(|(name, _)| name.as_str())
    }

    /// How a state was made; `None` if that is forgotten.
    pub fn maker(&self, wanted: State) -> Option<Arc<Maker>> {
        self.makers.iter().rev().find(|(state, _)| *state == wanted).map(|(_, maker)| Arc::clone(maker))
    }

    /// The digest of what a buffer holds.
    pub fn digest(&self, name: &str) -> Option<u64> {
        self.current.get(name).and_then(|(_, digest)| *digest)
    }

    /// Keeps the digest of what a buffer holds.
    pub fn note(&mut self, name: &str, digest: u64) {
        if let Some((_, known)) = self.current.get_mut(name) {
            *known = Some(digest);
        }
    }

    /// Buffers were written by a launch.
    pub fn launched(&mut self, launch: Launched, written: &[String]) {
        let maker = Arc::new(Maker::Launched(Box::new(launch)));
        for name in written {
            if let Some((state, digest)) = self.current.get_mut(name) {
                state.written += 1;
                *digest = None;
                self.makers.push((*state, Arc::clone(&maker)));
            }
        }
        self.forget();
    }

    /// Marks the contents of a buffer as unknown.
    pub fn lost(&mut self, name: &str) {
        if let Some((state, digest)) = self.current.get_mut(name) {
            state.written += 1;
            *digest = None;
        }
    }

    pub(super) fn made(&mut self, buffer: &Buffer, inputs: Vec<Input>, scalars: Scalars) {
        let state = State { buffer: self.next, written: 0 };
        self.next += 1;
        self.current.insert(buffer.name.clone(), (state, None));
        self.makers.push((state, Arc::new(Maker::Made { buffer: buffer.clone(), inputs, scalars })));
        self.forget();
    }

    pub(super) fn freed(&mut self, name: &str) {
        self.current.remove(name);
    }

    fn forget(&mut self) {
        let extra = self.makers.len().saturating_sub(MOST_MAKERS);
        self.makers.drain(..extra);
    }
}
