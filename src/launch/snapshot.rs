//! What the buffers held before a launch: to say what it changed, and to restore them when it fails.

use std::sync::Arc;

use super::changes::Change;
use crate::workspace::{Buffers, Workspace};
use warpbook_device::Place;
use warpbook_diagnostic::Result;
use warpbook_process::memory;

/// The contents of buffers at one time.
pub struct Snapshot {
    pub(super) saved: Vec<(String, Arc<[u8]>)>,
    /// Buffers for whose copies there was no room, with the digests of what they held.
    pub(super) left_out: Vec<(String, u64)>,
}

impl Snapshot {
    /// Remembers every buffer of the session, smallest first, within the budget.
    pub fn take(workspace: &mut Workspace) -> Result<Self> {
        Self::take_from(workspace, |_| true)
    }

    /// Remembers the buffers that live on the current device: a kernel may write to any of them.
    pub fn take_current(workspace: &mut Workspace) -> Result<Self> {
        let place = workspace.device.place();
        Self::take_from(workspace, |other| other == place)
    }

    fn take_from(workspace: &mut Workspace, chosen: impl Fn(Place) -> bool) -> Result<Self> {
        let buffers = workspace.buffers.iter().filter(|buffer| chosen(buffer.place));
        let mut buffers: Vec<_> = buffers.map(|buffer| (buffer.name.clone(), buffer.place, buffer.bytes)).collect();
        buffers.sort_by_key(|(.., bytes)| *bytes);
        // Copies are no reason to run out of memory: a buffer that is not copied is restored from its recipe.
        let budget = workspace.budget().min(memory::available().bytes / 2);
        let mut total = 0u64;
        let fits = |&&(_, place, bytes): &&(String, Place, u64)| {
            // What the emulator wrote is copied again; a GPU's host only copies what has changed.
            total = total.saturating_add(if place == Place::Emulator { bytes.saturating_mul(2) } else { bytes });
            total <= budget
        };
        let fitting = buffers.iter().take_while(fits).count();
        let names = |buffers: Vec<(String, Place, u64)>| buffers.into_iter().map(|(name, ..)| name).collect();
        let left_out = names(buffers.split_off(fitting));
        Self::take_named(names(buffers), left_out, workspace)
    }

    pub(super) fn take_named(saved: Vec<String>, left_out: Vec<String>, workspace: &mut Workspace) -> Result<Self> {
        let mut snapshot = Self { saved: Vec::new(), left_out: Vec::new() };
        let places: Vec<Place> = workspace.devices().map(|device| device.place()).collect();
        for place in places {
            let here = |names: &[String], workspace: &Workspace| -> (Vec<String>, Vec<(u64, u64)>) {
                let buffers = names.iter().filter_map(|name| workspace.buffers.get(name));
                let buffers = buffers.filter(|buffer| buffer.place == place);
                buffers.map(|buffer| (buffer.name.clone(), (buffer.address, buffer.bytes))).unzip()
            };
            let ((names, spans), (large, large_spans)) = (here(&saved, workspace), here(&left_out, workspace));
            let Some(device) = workspace.device_at_mut(place) else { continue };
            if !spans.is_empty() {
                snapshot.saved.extend(names.into_iter().zip(device.snapshot(&spans)?));
            }
            if !large_spans.is_empty() {
                snapshot.left_out.extend(large.into_iter().zip(device.digests(&large_spans)?));
            }
        }
        for (name, digest) in &snapshot.left_out {
            workspace.journal.note(name, *digest);
        }
        Ok(snapshot)
    }

    /// The saved contents of a buffer.
    pub fn contents(&self, name: &str) -> Option<&Arc<[u8]>> {
        self.saved.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes)
    }

    pub(super) fn digest(&self, name: &str) -> Option<u64> {
        self.left_out.iter().find(|(known, _)| known == name).map(|(_, digest)| *digest)
    }

    /// Writes what was saved wherever it is not what is there `now`.
    pub(super) fn give_back(&self, now: &Self, workspace: &mut Workspace) -> Result<()> {
        for (name, before) in &self.saved {
            let same = now.contents(name).is_some_and(|bytes| Arc::ptr_eq(bytes, before) || bytes == before);
            let home = workspace.buffers.get(name).map(|buffer| (buffer.place, buffer.address));
            if let Some((place, address)) = home.filter(|_| !same)
                && let Some(device) = workspace.device_at_mut(place)
            {
                device.write(address, before)?;
            }
        }
        Ok(())
    }

    /// Names of the buffers that hold other bytes than in another snapshot.
    pub fn differing_from(&self, other: &Self) -> Vec<&str> {
        let bytes =
            self.saved.iter().filter(|(name, bytes)| other.contents(name).is_some_and(|theirs| theirs != bytes));
        let digests =
            self.left_out.iter().filter(|(name, digest)| other.digest(name).is_some_and(|own| own != *digest));
        bytes.map(|(name, _)| name.as_str()).chain(digests.map(|(name, _)| name.as_str())).collect()
    }

    /// Changes since an earlier snapshot, in the order of the workspace.
    pub fn changes_since(&self, before: &Self, buffers: &Buffers) -> Vec<Change> {
        let mut found = Vec::new();
        for buffer in buffers.iter() {
            if let (Some(old), Some(new)) = (before.contents(&buffer.name), self.contents(&buffer.name))
                && !Arc::ptr_eq(old, new)
            {
                found.extend(Change::between(old, new, buffer));
            }
            if let (Some(old), Some(new)) = (before.digest(&buffer.name), self.digest(&buffer.name))
                && old != new
            {
                found.push(Change::unknown(buffer));
            }
        }
        found
    }
}
