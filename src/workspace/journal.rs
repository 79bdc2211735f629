//! How what each buffer holds came about: enough to make it again when there was no room for a copy of it.
//!
//! A buffer's contents have a [`State`], which changes with each launch that writes them. The journal knows what made a
//! state, from which other states, and a digest of the contents where no copy of them is kept. Whoever makes a state
//! again compares with that digest: what is not the same to the bit is not given back as if it were.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Buffers, LaunchSpec, Scalars, Version, Workspace};
use crate::expression::{ExprKind, parse};
use warpbook_device::{Buffer, Place};
use warpbook_diagnostic::Result;

/// The contents of a buffer at one time: which buffer, and how many launches had written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    buffer: u64,
    written: u32,
}

impl State {
    /// Whether both are states of the same buffer.
    pub fn is_of_same_buffer(self, other: Self) -> bool {
        self.buffer == other.buffer
    }
}

/// A buffer that something was made from, as it was then.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name, type and shape; the address is not its own any more.
    pub buffer: Buffer,
    /// What it held.
    pub state: State,
}

/// What made a state.
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
    /// A launch.
    Launched(Box<Launched>),
}

/// A launch that wrote buffers.
#[derive(Debug)]
pub struct Launched {
    /// The kernel's name.
    pub kernel: String,
    /// What ran.
    pub version: Version,
    /// With which grid and arguments.
    pub launch: LaunchSpec,
    /// The buffers that the arguments name, before the launch.
    pub inputs: Vec<Input>,
    /// Why it cannot be repeated elsewhere in memory, if that is so: it wrote what it was not given, or was given a bare
    /// address.
    pub fixed: Option<String>,
    /// The scalars at that time.
    pub scalars: Scalars,
    /// Where it ran.
    pub place: Place,
    /// On which architecture.
    pub capability: u32,
}

/// Older makers are forgotten.
const MOST: usize = 512;

/// What made the buffers of a session.
#[derive(Debug, Default)]
pub struct Journal {
    next: u64,
    /// The state of each live buffer, and its contents' digest where that is known.
    current: HashMap<String, (State, Option<u64>)>,
    makers: Vec<(State, Arc<Maker>)>,
}

impl Journal {
    /// What a live buffer holds.
    pub fn state(&self, name: &str) -> Option<State> {
        self.current.get(name).map(|(state, _)| *state)
    }

    /// The name of the live buffer that holds a state.
    pub fn holder(&self, wanted: State) -> Option<&str> {
        self.current.iter().find(|(_, (state, _))| *state == wanted).map(|(name, _)| name.as_str())
    }

    /// What made a state.
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

    /// What a buffer holds is not known any more.
    pub fn lost(&mut self, name: &str) {
        if let Some((state, digest)) = self.current.get_mut(name) {
            state.written += 1;
            *digest = None;
        }
    }

    fn made(&mut self, buffer: &Buffer, inputs: Vec<Input>, scalars: Scalars) {
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
        let extra = self.makers.len().saturating_sub(MOST);
        self.makers.drain(..extra);
    }
}

impl Workspace {
    /// The buffers of these names with what they hold now.
    pub fn inputs<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<Input> {
        let input =
            |name: &str| Some(Input { buffer: self.buffers.get(name)?.clone(), state: self.journal.state(name)? });
        let mut inputs: Vec<Input> = Vec::new();
        for name in names {
            if !inputs.iter().any(|known| known.buffer.name == name) {
                inputs.extend(input(name));
            }
        }
        inputs
    }

    /// A buffer is about to be put in.
    pub(super) fn journal_made(&mut self, buffer: &Buffer) {
        let inputs = self.inputs_of(buffer);
        self.journal.made(buffer, inputs, self.scalars.clone());
    }

    /// The buffers that a buffer's recipe names.
    fn inputs_of(&self, buffer: &Buffer) -> Vec<Input> {
        use warpbook_device::Recipe;
        let (Recipe::Initialiser(text) | Recipe::Expression(text) | Recipe::Copy(text)) = &buffer.recipe else {
            return Vec::new();
        };
        let mut names = Vec::new();
        if let Ok(expression) = parse(text, 0..text.len()) {
            expression.walk(&mut |inner| {
                if let ExprKind::Name(name) = &inner.kind {
                    names.push(name.clone());
                }
                true
            });
        }
        self.inputs(names.iter().map(String::as_str))
    }

    /// Does something in a past of the session: with these buffers, on the device of a place, and no others, and these
    /// scalars.
    pub fn in_the_past<T>(
        &mut self,
        place: Place,
        buffers: Vec<(Buffer, Vec<u8>)>,
        scalars: Scalars,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.ensure(place)?;
        let before = self.select(place);
        let mut past = Buffers::default();
        let mut addresses = Vec::new();
        let placed = buffers.into_iter().try_for_each(|(buffer, bytes)| {
            let address = self.device.allocate(&buffer.name, buffer.bytes)?;
            addresses.push(address);
            self.device.write(address, &bytes)?;
            past.insert(Buffer { place, address, ..buffer });
            Ok(())
        });
        let outcome = placed.and_then(|()| {
            let present = std::mem::replace(&mut self.buffers, past);
            let scalars = std::mem::replace(&mut self.scalars, scalars);
            let outcome = work(self);
            self.buffers = present;
            self.scalars = scalars;
            outcome
        });
        addresses.into_iter().for_each(|address| self.device.free(address));
        self.select(before);
        outcome
    }
}
