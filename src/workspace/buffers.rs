//! Named buffers, in the order in which they came.

use warpbook_device::Buffer;

/// The buffers of a session. Their memory belongs to the device; [`Workspace`](super::Workspace) gives it back.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    buffers: Vec<Buffer>,
}

impl Buffers {
    /// A buffer by name.
    pub fn get(&self, name: &str) -> Option<&Buffer> {
        self.buffers.iter().find(|buffer| buffer.name == name)
    }

    /// Puts a buffer in; returns the one of that name that it replaces.
    pub(super) fn insert(&mut self, buffer: Buffer) -> Option<Buffer> {
        match self.buffers.iter_mut().find(|old| old.name == buffer.name) {
            Some(old) => Some(std::mem::replace(old, buffer)),
            None => {
                self.buffers.push(buffer);
                None
            }
        }
    }

    /// Takes a buffer out.
    pub(super) fn remove(&mut self, name: &str) -> Option<Buffer> {
        let index = self.buffers.iter().position(|buffer| buffer.name == name)?;
        Some(self.buffers.remove(index))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Buffer> {
        self.buffers.iter_mut()
    }

    /// Names of all buffers, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.buffers.iter().map(|buffer| buffer.name.as_str())
    }

    /// True if the session has no buffers.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }
}
