//! What the buffers held before a launch: to say what it changed, and to restore them when it fails.

use super::changes::changes;
use crate::diagnostic::Result;
use crate::workspace::Workspace;

/// Buffers of up to this many bytes together are remembered before a launch.
const BUDGET: u64 = 4 << 30;

/// The contents of buffers at one time.
pub struct Snapshot {
    saved: Vec<(String, u64, Vec<u8>)>,
    /// Names of the buffers that were too large to remember.
    pub left_out: Vec<String>,
}

impl Snapshot {
    /// Remembers every buffer, smallest first, within the budget: a kernel may write to any of them.
    pub fn take(workspace: &Workspace) -> Result<Self> {
        let mut buffers: Vec<_> = workspace.buffers.iter().collect();
        buffers.sort_by_key(|buffer| buffer.bytes);
        let (mut saved, mut left_out, mut total) = (Vec::new(), Vec::new(), 0u64);
        for buffer in buffers {
            total = total.saturating_add(buffer.bytes);
            if total > BUDGET {
                left_out.push(buffer.name.clone());
                continue;
            }
            let mut bytes = vec![0; buffer.bytes as usize];
            workspace.device.read(buffer.address, &mut bytes)?;
            saved.push((buffer.name.clone(), buffer.address, bytes));
        }
        Ok(Self { saved, left_out })
    }

    /// Puts the contents back.
    pub fn restore(&self, workspace: &mut Workspace) -> Result<()> {
        for (_, address, bytes) in &self.saved {
            workspace.device.write(*address, bytes)?;
        }
        Ok(())
    }

    /// One line for each buffer that is different now, in the order of the workspace.
    pub fn changes(&self, workspace: &Workspace) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for buffer in workspace.buffers.iter() {
            let Some((_, _, before)) = self.saved.iter().find(|(name, ..)| *name == buffer.name) else { continue };
            let mut after = vec![0; before.len()];
            workspace.device.read(buffer.address, &mut after)?;
            lines.extend(changes(before, &after, buffer));
        }
        Ok(lines)
    }
}
