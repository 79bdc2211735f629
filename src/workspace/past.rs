//! The workspace and its journal: what a buffer is made from, and work in a past of the session.

use super::{Buffers, Input, Scalars, Workspace};
use crate::expression::{ExprKind, parse};
use warpbook_device::{Buffer, Place, Recipe};
use warpbook_diagnostic::Result;

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
