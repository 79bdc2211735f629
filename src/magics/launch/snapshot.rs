//! What the buffers held before a launch: to say what it changed, and to restore them when it fails.

use std::sync::Arc;

use super::changes::changes;
use crate::diagnostic::Result;
use crate::workspace::Workspace;

/// Buffers of up to this many bytes together are remembered before a launch.
const BUDGET: u64 = 4 << 30;

/// The contents of buffers at one time.
pub struct Snapshot {
    saved: Vec<(String, Arc<[u8]>)>,
    /// Names of the buffers that were too large to remember.
    left_out: Vec<String>,
}

impl Snapshot {
    /// Remembers every buffer, smallest first, within the budget: a kernel may write to any of them.
    pub fn take(workspace: &mut Workspace) -> Result<Self> {
        let mut buffers: Vec<_> = workspace.buffers.iter().map(|b| (b.name.clone(), b.address, b.bytes)).collect();
        buffers.sort_by_key(|(_, _, bytes)| *bytes);
        let mut total = 0u64;
        let fitting = buffers.partition_point(|(_, _, bytes)| {
            total = total.saturating_add(*bytes);
            total <= BUDGET
        });
        let left_out = buffers.split_off(fitting).into_iter().map(|(name, ..)| name).collect();
        let spans: Vec<(u64, u64)> = buffers.iter().map(|(_, address, bytes)| (*address, *bytes)).collect();
        let contents = workspace.device.snapshot(&spans)?;
        Ok(Self { saved: buffers.into_iter().map(|(name, ..)| name).zip(contents).collect(), left_out })
    }

    /// What a buffer held.
    pub fn of(&self, name: &str) -> Option<&Arc<[u8]>> {
        self.saved.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes)
    }

    /// Bytes that are remembered.
    pub fn bytes(&self) -> u64 {
        self.saved.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Puts the contents back; a lost device is started again first. Returns one sentence on how that went.
    pub fn restore(&self, workspace: &mut Workspace) -> Result<String> {
        let was_lost = workspace.device.is_lost();
        workspace.revive()?;
        let now = Self::take(workspace)?;
        for (name, before) in &self.saved {
            let same = now.of(name).is_some_and(|bytes| Arc::ptr_eq(bytes, before) || bytes == before);
            let address = workspace.buffers.get(name).map(|buffer| buffer.address);
            if let Some(address) = address.filter(|_| !same) {
                workspace.device.write(address, before)?;
            }
        }
        Ok(match (self.left_out.as_slice(), was_lost) {
            ([], false) => "every buffer has the value that it had before the launch".to_owned(),
            ([], true) => {
                let name = workspace.device_name();
                format!("{name} was started again, and every buffer has the value that it had before the launch")
            }
            (names, false) => format!("too large to be restored, and perhaps changed: {}", names.join(", ")),
            (names, true) => format!("too large to be restored, their values are lost: {}", names.join(", ")),
        })
    }

    /// Names of the buffers that hold other bytes than in another snapshot.
    pub fn differing_from(&self, other: &Self) -> Vec<&str> {
        let differ = |(name, bytes): &&(String, Arc<[u8]>)| other.of(name).is_some_and(|theirs| theirs != bytes);
        self.saved.iter().filter(differ).map(|(name, _)| name.as_str()).collect()
    }

    /// One line for each buffer that was different before, in the order of the workspace.
    pub fn changes_since(&self, before: &Self, workspace: &Workspace) -> Vec<String> {
        let mut lines = Vec::new();
        for buffer in workspace.buffers.iter() {
            if let (Some(old), Some(new)) = (before.of(&buffer.name), self.of(&buffer.name))
                && !Arc::ptr_eq(old, new)
            {
                lines.extend(changes(old, new, buffer));
            }
        }
        lines
    }
}
